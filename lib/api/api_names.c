/*
 * api_names.c - names of statuses, types and metrics; version and kernel level
 */
#include "../../simd/simd.h"
#include "vss.h"

#define NAMES_TEXT(x) #x
#define NAMES_VERSION(a, b, c) NAMES_TEXT(a) "." NAMES_TEXT(b) "." NAMES_TEXT(c)

const char *vss_version(void)
{
    return NAMES_VERSION(VSS_VERSION_MAJOR, VSS_VERSION_MINOR, VSS_VERSION_PATCH);
}

const char *vss_simd_level(void) { return vssi_simd()->level; }

static const char *const names_status[] = {
    "OK",          "INVALID",      "NOT_FOUND",      "EXISTS",   "BUSY",   "READ_ONLY", "NO_MEMORY", "BUDGET",
    "CANCELLED",   "DEADLINE",     "IO",             "NO_SPACE", "CORRUPT", "NEWER_FORMAT", "UNSUPPORTED", "FENCED",
    "UNKNOWN_COMMIT", "POISONED",  "FORKED",         "STALE",    "DEVICE", "INTERNAL"};

const char *vss_status_name(vss_status status)
{
    size_t i = (size_t)(-(long)status);
    return status <= 0 && i < sizeof names_status / sizeof *names_status ? names_status[i] : "UNKNOWN";
}

static const char *const names_type[] = {
    [VSS_TYPE_NONE] = "none",           [VSS_TYPE_BOOL] = "bool",
    [VSS_TYPE_INT8] = "int8",           [VSS_TYPE_INT16] = "int16",
    [VSS_TYPE_INT32] = "int32",         [VSS_TYPE_INT64] = "int64",
    [VSS_TYPE_FLOAT32] = "float32",     [VSS_TYPE_FLOAT64] = "float64",
    [VSS_TYPE_STRING] = "string",       [VSS_TYPE_JSON] = "json",
    [VSS_TYPE_TIMESTAMP] = "timestamp", [VSS_TYPE_ARRAY] = "array",
    [VSS_TYPE_VECTOR_F32] = "vector<f32>",   [VSS_TYPE_VECTOR_F16] = "vector<f16>",
    [VSS_TYPE_VECTOR_BF16] = "vector<bf16>", [VSS_TYPE_VECTOR_I8] = "vector<i8>",
    [VSS_TYPE_VECTOR_U8] = "vector<u8>",     [VSS_TYPE_VECTOR_BINARY] = "vector<binary>"};

const char *vss_type_name(vss_type type)
{
    size_t i = (size_t)type;
    return i < sizeof names_type / sizeof *names_type && names_type[i] != NULL ? names_type[i] : "none";
}

static const char *const names_metric[] = {"none", "l2", "ip", "cosine", "hamming", "jaccard"};

const char *vss_metric_name(vss_metric metric)
{
    size_t i = (size_t)metric;
    return i < sizeof names_metric / sizeof *names_metric ? names_metric[i] : "none";
}
