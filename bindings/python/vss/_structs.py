"""ctypes mirrors of every struct of include/vss/*.h, field for field, and the numbers of its enums."""

import ctypes
from ctypes import (POINTER, c_char, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p)

# vss_type
BOOL, INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, STRING, JSON, TIMESTAMP, ARRAY = range(1, 12)
VECTOR_F32, VECTOR_F16, VECTOR_BF16, VECTOR_I8, VECTOR_U8, VECTOR_BINARY = range(32, 38)

TYPE_NAMES = {
    BOOL: "bool", INT8: "int8", INT16: "int16", INT32: "int32", INT64: "int64", FLOAT32: "float32",
    FLOAT64: "float64", STRING: "string", JSON: "json", TIMESTAMP: "timestamp", ARRAY: "array",
    VECTOR_F32: "vector<f32>", VECTOR_F16: "vector<f16>", VECTOR_BF16: "vector<bf16>", VECTOR_I8: "vector<i8>",
    VECTOR_U8: "vector<u8>", VECTOR_BINARY: "vector<binary>",
}

# vss_metric
METRIC_NAMES = {1: "l2", 2: "ip", 3: "cosine", 4: "hamming", 5: "jaccard"}

# vss_field_flags
PRIMARY, AUTO_ID, NULLABLE = 1, 2, 4

# vss_open_mode
OPEN_CREATE, OPEN_EXISTING, OPEN_READ_ONLY = 0, 1, 2

# vss_sync_mode
SYNC_INTERVAL, SYNC_MODES = 1, {"commit": 0, "off": 2}

# vss_result_flags
RESULT_TRUNCATED, RESULT_APPROXIMATE, RESULT_CAPPED, RESULT_ESTIMATED = 1, 2, 4, 8

# vss_plan
PLAN_NAMES = {1: "scan", 2: "scan_rows", 3: "index", 4: "index_then_scan", 5: "nothing"}


class Sized(ctypes.Structure):
    """A struct whose first field is its own size; the rest begins at its defaults."""

    def __init__(self, **values):
        super().__init__(**values)
        self.struct_size = ctypes.sizeof(self)


class ErrorInfo(ctypes.Structure):
    _fields_ = [("status", c_int), ("os_errno", c_int), ("message", c_char * 500)]


class ColumnInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("type", c_int), ("dim", c_uint32), ("length", c_uint64),
                ("validity", c_void_p), ("offsets", c_void_p), ("data", c_void_p)]


class FieldInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("name", c_char_p), ("type", c_int), ("element", c_int),
                ("dim", c_uint32), ("metric", c_int), ("flags", c_uint32), ("default_json", c_char_p)]


class SchemaInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("n_fields", c_size_t), ("fields", POINTER(POINTER(FieldInfo)))]


class DbOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("mode", c_int), ("allocator", c_void_p), ("memory_budget", c_uint64),
                ("executor", c_void_p), ("log", c_void_p), ("log_state", c_void_p), ("storage", c_void_p),
                ("sync", c_int), ("sync_interval_ms", c_uint32), ("background_memory", c_uint64)]


TASK_FN = ctypes.CFUNCTYPE(None, c_void_p)
SUBMIT_FN = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)


class Executor(Sized):
    _fields_ = [("struct_size", c_uint32), ("state", c_void_p), ("run", c_void_p), ("submit", SUBMIT_FN)]


class Batch(Sized):
    _fields_ = [("struct_size", c_uint32), ("n_columns", c_size_t), ("names", POINTER(c_char_p)),
                ("columns", POINTER(POINTER(ColumnInfo)))]


class WriteInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("sequence", c_uint64), ("rows", c_uint64), ("first_key", c_int64)]


class StatsInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("rows", c_uint64), ("deleted", c_uint64), ("segments", c_uint64),
                ("growing", c_uint64), ("version", c_uint64), ("sequence", c_uint64), ("bytes", c_uint64),
                ("background", c_int)]


class CheckInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("files", c_uint64), ("bytes", c_uint64), ("errors", c_uint64)]


class SalvageInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("version", c_uint64), ("rows", c_uint64), ("lost", c_uint64),
                ("batches", c_uint64), ("errors", c_uint64)]


class IndexInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("field", c_char_p), ("type", c_char_p), ("params", c_char_p),
                ("segments", c_uint64), ("rows", c_uint64), ("bytes", c_uint64)]


class IndexCost(Sized):
    _fields_ = [("struct_size", c_uint32), ("index_bytes", c_uint64), ("build_bytes", c_uint64)]


class IndexChoice(Sized):
    _fields_ = [("struct_size", c_uint32), ("index_bytes", c_uint64), ("build_bytes", c_uint64),
                ("type", ctypes.c_char * 32), ("params", ctypes.c_char * 64), ("reason", ctypes.c_char * 256)]


class ParamInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("name", c_char_p), ("alias", c_char_p), ("min", c_uint64),
                ("max", c_uint64), ("default_value", c_uint64), ("search", c_int), ("help", c_char_p), ("text", c_int)]


class ExplainSegment(ctypes.Structure):
    _fields_ = [("plan", c_int), ("index", c_char_p), ("device", c_char_p), ("rows", c_uint64), ("passing", c_uint64),
                ("distances", c_uint64), ("recomputed", c_uint64), ("filter_ns", c_uint64), ("search_ns", c_uint64)]


class ExplainInfo(Sized):
    _fields_ = [("struct_size", c_uint32), ("version", c_uint64), ("sequence", c_uint64), ("total_ns", c_uint64),
                ("n_segments", c_size_t), ("segments", POINTER(ExplainSegment))]


class ScanOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("filter", c_char_p), ("fields", POINTER(c_char_p)), ("n_fields", c_size_t),
                ("batch_rows", c_uint32)]


PROGRESS_FN = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_uint64, c_uint64)
SCAN_FN = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_uint64)
CHECK_FN = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p)
INDEX_FN = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(IndexInfo))


class BuildOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("threads", c_uint32), ("progress", PROGRESS_FN),
                ("progress_state", c_void_p), ("deadline_ms", c_uint64), ("model_of", c_void_p),
                ("device", c_char_p), ("device_required", c_int)]


class SearchRequest(Sized):
    _fields_ = [("struct_size", c_uint32), ("field", c_char_p), ("queries", c_void_p), ("n_queries", c_size_t),
                ("dim", c_uint32), ("k", c_uint32), ("filter", c_char_p), ("params", c_char_p),
                ("fields", POINTER(c_char_p)), ("n_fields", c_size_t), ("exclude", POINTER(ColumnInfo)),
                ("threads", c_uint32), ("deadline_ms", c_uint64), ("progress", PROGRESS_FN),
                ("progress_state", c_void_p), ("explain", c_int), ("query_type", c_int),
                ("range", c_int), ("range_low", c_float), ("range_high", c_float), ("device", c_char_p),
                ("device_required", c_int)]
