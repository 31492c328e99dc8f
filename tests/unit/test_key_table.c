/*
 * test_key_table.c - keys chosen to share one bucket, and equal ones: the table is a permutation in the order it
 * promises
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/key_table.h"
#include "../support/maker.h"

enum { ROWS = 2000 };

static void key_table__holds_every_row_in_order(void **state)
{
    (void)state;
    vssi_heap heap;
    vss_error err;
    uint32_t *table;
    int64_t keys[ROWS];
    size_t buckets = vssi_key_table_buckets(ROWS), n = 0;
    bool seen[ROWS] = {false};
    for (int64_t k = 0; n < ROWS; k++) { /* all of one bucket, falling, with some twice */
        vssi_key key = {.number = -k};
        if ((vssi_key_hash(&key) & (buckets - 1)) == 7)
            keys[n++] = -k;
        if (n % 100 == 99 && n < ROWS)
            keys[n] = keys[n - 1], n++;
    }
    vss_column column = maker_keys(keys, ROWS);
    vssi_heap_init(&heap, NULL, 0);
    MUST(vssi_key_table_build(&heap, &column, &table, &err));
    const uint32_t *order = table + buckets + 1;
    for (size_t b = 0; b <= buckets; b++)
        assert_int_equal(table[b], b <= 7 ? 0 : ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(order[i] < ROWS && !seen[order[i]]);
        seen[order[i]] = true;
        if (i > 0)
            assert_true(keys[order[i - 1]] < keys[order[i]] ||
                        (keys[order[i - 1]] == keys[order[i]] && order[i - 1] < order[i]));
    }
    vssi_free(&heap, table);
    assert_int_equal(heap.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(key_table__holds_every_row_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
