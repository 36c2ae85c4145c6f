/* Compiled with -O3 -fno-plt -fcf-protection -fomit-frame-pointer. */
#include "tail_calls.c"
