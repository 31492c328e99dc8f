# Sources of lib/format
target_sources(vss_objects PRIVATE
    lib/format/column.c
    lib/format/column_part.c
    lib/format/deletes.c
    lib/format/key_table.c
    lib/format/manifest.c
    lib/format/manifest_decode.c
    lib/format/object_check.c
    lib/format/object_read.c
    lib/format/object_write.c
    lib/format/schema.c
    lib/format/schema_default.c
    lib/format/schema_json.c
    lib/format/segment.c
    lib/format/segment_check.c
    lib/format/segment_gather.c
    lib/format/segment_memory.c
    lib/format/segment_read.c
    lib/format/segment_salvage.c
    lib/format/segment_stats.c
    lib/format/segment_write.c
    lib/format/wal.c
    lib/format/wal_read.c
    lib/format/wal_rows.c
)
