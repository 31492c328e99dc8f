# Sources of simd. Only the files of a level get its instructions.
target_sources(vss_objects PRIVATE
    simd/detect.c
    simd/dispatch.c
    simd/exact.c
    simd/simd_scalar.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    target_sources(vss_objects PRIVATE simd/simd_avx2.c simd/simd_avx512.c)
    set_source_files_properties(simd/simd_avx2.c PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    set_source_files_properties(simd/simd_avx512.c PROPERTIES COMPILE_OPTIONS
        "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma")
endif()
