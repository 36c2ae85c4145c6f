/*-------------------------------------------------------------------------
 *
 * classes.cpp
 *		Bad accesses by what C++ calls at the end of a scope.
 *
 *-------------------------------------------------------------------------
 */
extern "C" {
#include "postgres.h"

#include "accesses.h"
}

namespace {

/* Owns a chunk, and reads it when it ends. */
class Buffer {
public:
	explicit Buffer(Size size) : data(static_cast<char *>(palloc(size))), size(size), read(nullptr)
	{
		fill(data, static_cast<int>(size));
	}

	pg_noinline ~Buffer()
	{
		if (read != nullptr && data != nullptr)
			*read = count_of(data + 32, static_cast<int>(size - 32), 'x');
	}

	void count_into(int *to) { read = to; }
	char *chunk() { return data; }
	void forget() { data = nullptr; }

private:
	char *data;
	Size size;
	int *read;
};

/* Owns a chunk, and frees it when it ends; a copy of it does so as well. */
class Owner {
public:
	Owner() : data(static_cast<char *>(palloc(64))), owns(true) { fill(data, 64); }

	pg_noinline ~Owner()
	{
		if (owns)
			pfree(data);
	}

	void lend() { owns = false; }
	void move_into(Owner &other)
	{
		pfree(other.data);
		other.data = data;
		owns = false;
	}

private:
	char *data;
	bool owns;
};

} // namespace

/* A destructor reads what the body has freed. The decoy has told it. */
SUBJECT_BODY
destructed(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();
	int read = 0;

	{
		Buffer buffer(64);

		buffer.count_into(&read);
		if (twin != OK)
			pfree(buffer.chunk());
		if (twin == DECOY)
			buffer.forget();
	}
	leave_scratch(old);
	PG_RETURN_INT32(read);
}

/* An object is copied, and its chunk freed by both. The decoy moves it. */
SUBJECT_BODY
duplicated(FunctionCallInfo fcinfo, Twin twin)
{
	MemoryContext old = enter_scratch();

	{
		Owner first;

		if (twin == DECOY)
		{
			Owner second;

			first.move_into(second);
		}
		else
		{
			Owner second(first);

			if (twin == OK)
				second.lend();
		}
	}
	leave_scratch(old);
	PG_RETURN_INT32(1);
}

/* new and delete[], behind the end of an array. The decoy writes the last item. */
SUBJECT_BODY
renewed(FunctionCallInfo fcinfo, Twin twin)
{
	char *array = new char[25];
	int written;

	fill(array, twin == BAD ? 26 : 25);
	written = count_of(array, 25, 'x');
	if (twin == DECOY && array[24] != 'x')
		written = -1;
	delete[] array;
	PG_RETURN_INT32(written);
}

extern "C" {
SUBJECT(destructed);
SUBJECT(duplicated);
SUBJECT(renewed);
}
