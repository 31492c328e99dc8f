# Sources of lib/storage
target_sources(vss_objects PRIVATE
    lib/storage/huge.c
    lib/storage/memory.c
    lib/storage/object_name.c
    lib/storage/posix.c
    lib/storage/posix_list.c
    lib/storage/posix_lock.c
    lib/storage/posix_log.c
    lib/storage/posix_put.c
    lib/storage/posix_sweep.c
    lib/storage/view.c)
