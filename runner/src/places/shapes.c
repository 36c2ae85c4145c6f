/* Calls in every shape that compilers give them, each in a function of its own. */
extern void *palloc(unsigned long);
extern void *palloc0(unsigned long);
extern void *malloc(unsigned long);
extern char *pstrdup(const char *);
extern void pfree(void *);
extern int other(void *);
extern void hand(void *(*)(unsigned long));

struct ops { long first; void *(*make)(unsigned long); };

static void *(*variable)(unsigned long) = malloc;
static void *(*volatile const constant)(unsigned long) = malloc;
static const struct ops table[] = {{0, palloc}, {1, palloc0}};

/* A jump that is only made sometimes, as clang makes it of "if (p) return palloc(p);" */
__asm__(".text\n.globl sometimes\n.type sometimes, @function\nsometimes:\n"
	"\ttest %rdi, %rdi\n\tjne palloc@PLT\n\tret\n.size sometimes, .-sometimes");

void freed(void *p) { if (p) pfree(p); }
void *tail(unsigned long n) { return palloc(n); }
void *tail_of_table(struct ops *ops, unsigned long n) { return ops->make(n); }
void *by_variable(unsigned long n) { void *p = variable(n); other(p); return p; }
void *by_constant(unsigned long n) { void *p = constant(n); other(p); return p; }
void *by_table(int i, unsigned long n) { void *p = table[i].make(n); other(p); return p; }
void sets_variable(void *(*f)(unsigned long)) { variable = f; }
void hands(void) { hand(palloc); other(0); }
int switches(int x, void *p)
{
	switch (x)
	{
		case 0: return other(p);
		case 1: return other(palloc(1));
		case 2: pfree(p); return 3;
		case 3: return other(p) * 7;
		case 4: return other(pstrdup("x"));
		case 5: return 9 + other(p);
		case 6: return 1;
		default: return 99;
	}
}
static __attribute__((noinline)) void *wrapper(unsigned long n) { void *p = palloc(n + 3); other(p); return p; }
int wrapped(unsigned long n) { return other(wrapper(n)) + other(wrapper(n + 1)); }
static inline void *inlined(unsigned long n) { void *p = palloc0(n); other(p); return p; }
int twice(unsigned long n) { return other(inlined(n)) + other(inlined(n + 1)); }
__attribute__((cold, noinline)) void complains(void) { other(palloc0(5)); }
int rarely(int x)
{
	if (__builtin_expect(x == 77, 0))
	{
		other(palloc(x));
		complains();
		return 2;
	}
	return other(0) + 1;
}
