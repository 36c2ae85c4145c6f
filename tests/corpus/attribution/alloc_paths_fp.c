/*
 * alloc_paths_fp.c
 *		alloc_paths.c, compiled with frame pointers.
 */
#define LIBRARY_NAME	"alloc_paths_fp"

#include "alloc_paths.c"
