# Sources of lib/base
target_sources(vss_objects PRIVATE
    lib/base/bitmap.c
    lib/base/bytes.c
    lib/base/control.c
    lib/base/fail.c
    lib/base/hash.c
    lib/base/heap.c
    lib/base/parallel.c
    lib/base/param.c
    lib/base/system.c
    lib/base/text.c)
