/*
 * test_hnsw_threads.c - the graph index: equal bytes on any number of threads
 */
#include "../support/graph.h"

static void test_bytes_do_not_depend_on_threads(void **state)
{
    (void)state;
    graph_data all;
    vssi_heap heap;
    vssi_image image[3];
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    graph_make(&all, 9000, 12, VSS_METRIC_IP, DUPLICATES);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(graph_build(&heap, &all.vectors, "M=6, efConstruction=70, codes=sq8", i + 1, NULL, &image[i],
                                    &err), VSS_OK);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(image[i].n_blocks, image[0].n_blocks);
        for (size_t j = 0; j < image[0].n_blocks; j++) {
            const vssi_block *a = &image[0].blocks[j], *b = &image[i].blocks[j];
            assert_int_equal(a->count, b->count);
            assert_memory_equal(a->data, b->data, a->count * a->element);
        }
    }
    for (size_t i = 0; i < 3; i++)
        vssi_image_free(&heap, &image[i]);
    assert_int_equal(heap.used, 0);
    graph_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes_do_not_depend_on_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
