# Sources of index
target_sources(vss_objects PRIVATE
    index/image.c
    index/registry.c
    index/scratch.c
    index/topk.c
    index/vectors.c
    index/codec/sq8.c
    index/flat/flat.c
    index/flat/flat_batch.c
    index/flat/flat_codes.c
    index/flat/flat_codes_search.c
    index/flat/flat_codes_tile.c
    index/hnsw/hnsw.c
    index/hnsw/hnsw_build.c
    index/hnsw/hnsw_codes.c
    index/hnsw/hnsw_leaf.c
    index/hnsw/hnsw_link.c
    index/hnsw/hnsw_open.c
    index/hnsw/hnsw_order.c
    index/hnsw/hnsw_partition.c
    index/hnsw/hnsw_prune.c
    index/hnsw/hnsw_repair.c
    index/hnsw/hnsw_search.c
    index/hnsw/hnsw_twins.c
    index/hnsw/hnsw_validate.c
    index/hnsw/hnsw_work.c)
