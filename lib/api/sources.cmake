# The door: every public function but vss_schema_parse and vss_schema_free (lib/format/schema_json.c)
target_sources(vss_objects PRIVATE
    lib/api/api_collection.c
    lib/api/api_db.c
    lib/api/api_index.c
    lib/api/api_inspect.c
    lib/api/api_names.c
    lib/api/api_salvage.c
    lib/api/api_scan.c
    lib/api/api_search.c
    lib/api/door.c)
