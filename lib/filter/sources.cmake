# Sources of lib/filter
target_sources(vss_objects PRIVATE
    lib/filter/filter.c
    lib/filter/filter_arena.c
    lib/filter/filter_build.c
    lib/filter/filter_check.c
    lib/filter/filter_compare.c
    lib/filter/filter_eval.c
    lib/filter/filter_lex.c
    lib/filter/filter_match.c
    lib/filter/filter_number.c
    lib/filter/filter_parse.c
    lib/filter/filter_set.c
    lib/filter/filter_value.c)
