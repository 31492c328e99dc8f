# The collection: write path, snapshots, search
target_sources(vss_objects PRIVATE
    lib/collection/batch.c
    lib/collection/change.c
    lib/collection/check.c
    lib/collection/compact.c
    lib/collection/collect.c
    lib/collection/db.c
    lib/collection/insert.c
    lib/collection/journal.c
    lib/collection/open.c
    lib/collection/plan.c
    lib/collection/read.c
    lib/collection/remove.c
    lib/collection/rescore.c
    lib/collection/result.c
    lib/collection/salvage.c
    lib/collection/salvage_log.c
    lib/collection/salvage_write.c
    lib/collection/scan.c
    lib/collection/scratch_pool.c
    lib/collection/seal.c
    lib/collection/seal_job.c
    lib/collection/search.c
    lib/collection/search_group.c
    lib/collection/segment_index.c
    lib/collection/snapshot.c
    lib/collection/values.c)
