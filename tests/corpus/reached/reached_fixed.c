/* The same without the bugs */
#define FIXED
#include "reached.c"
