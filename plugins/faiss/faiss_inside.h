/*
 * faiss_inside.h - the parts of the plug-in
 *
 * Errors of FAISS are passed on as one line: where in FAISS they come from is left out, line breaks are blanks.
 */
#ifndef VSS_FAISS_INSIDE_H
#define VSS_FAISS_INSIDE_H

#include <stdint.h>

#include "vss/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In the order of the table of parameters. */
enum { FAISS_PARAM_FACTORY, FAISS_PARAM_NPROBE, FAISS_PARAM_EF, FAISS_PARAMS };

/* ---- faiss_factory.c ---- */
/* Is the text one that FAISS' factory can be given: characters, brackets and numbers that it neither divides by zero
 * nor takes all memory for. INVALID. */
vss_status vssf_factory_check(const char *text, vss_error *err);

/* ---- faiss_error.c ---- */
__attribute__((format(printf, 3, 4))) vss_status vssf_fail(vss_error *err, vss_status status, const char *format, ...);
/* what: "factory \"Flat\"", or what was being done; message: FAISS' own, or NULL. */
vss_status vssf_fail_faiss(vss_error *err, vss_status status, const char *what, const char *message);

/* ---- faiss_own.cpp: what the C API of FAISS 1.7.3 lacks. index: a FaissIndex ---- */
typedef struct vssf_index vssf_index;

/* Keep FAISS from writing to stderr that it trains on few rows. */
void vssf_quiet(void *index);
/* Bytes of the serialised index; they are written to `to`, where that isn't NULL, up to its size. */
vss_status vssf_write(const void *index, void *to, size_t size, size_t *wanted, vss_error *err);
vss_status vssf_read(const vss_plugin_vectors *vectors, const void *bytes, size_t size, vssf_index **out,
                     vss_error *err);
vss_status vssf_search(const vssf_index *index, const vss_plugin_search *search, int64_t *rows, vss_error *err);
void vssf_free(vssf_index *index);

/* OpenMP's, of which the calling thread's number of threads is a setting of its own. */
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

#ifdef __cplusplus
}
#endif
#endif
