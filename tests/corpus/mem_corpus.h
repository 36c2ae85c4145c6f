/*-------------------------------------------------------------------------
 *
 * mem_corpus.h
 *		Pairs of subjects, dNN_bad with a memory bug and dNN_ok with its fix,
 *		and controls nN_..., which have no bug.
 *
 * What each SQL function is for is said in mem_corpus--1.0.sql, what is wrong
 * with it above its definition.  Whatever allocates for a twin is in a function
 * that is named after that twin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MEM_CORPUS_H
#define MEM_CORPUS_H

/* session.c */
extern void d03_init(void);

/* worker.c */
extern PGDLLEXPORT void d05_bad_main(Datum main_arg);
extern PGDLLEXPORT void d05_ok_main(Datum main_arg);

#endif							/* MEM_CORPUS_H */
