# libvss.so.0 and libvss.a from the same objects; pkg-config and CMake packages.
add_library(vss SHARED $<TARGET_OBJECTS:vss_objects>)
add_library(vss_static STATIC $<TARGET_OBJECTS:vss_objects>)
set_target_properties(vss PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map)
set_target_properties(vss_static PROPERTIES OUTPUT_NAME vss)
target_link_options(vss PRIVATE
    LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map LINKER:--no-undefined)
set(VSS_PRIVATE_LIBRARIES PkgConfig::ZSTD PkgConfig::XXHASH PkgConfig::JANSSON Threads::Threads m ${CMAKE_DL_LIBS})
target_link_libraries(vss PRIVATE ${VSS_PRIVATE_LIBRARIES})
target_link_libraries(vss_static PRIVATE ${VSS_PRIVATE_LIBRARIES})
foreach(target vss vss_static)
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    if(VSS_SANITIZE)
        target_link_options(${target} PUBLIC -fsanitize=${VSS_SANITIZE})
    endif()
endforeach()
set_target_properties(vss_static PROPERTIES EXPORT_NAME vss_static)
add_library(vss::vss ALIAS vss)
add_library(vss::vss_static ALIAS vss_static)

# vss.pc finds its folders from its own place, so that an installed tree can be moved or installed with --prefix.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(VSS_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
    set(VSS_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
    set(VSS_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
    file(RELATIVE_PATH up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
    cmake_path(SET up NORMALIZE "${up}")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(VSS_PC_PREFIX "\${pcfiledir}/${up}")
    set(VSS_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(VSS_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

include(CMakePackageConfigHelpers)
configure_file(cmake/vss.pc.in ${CMAKE_CURRENT_BINARY_DIR}/vss.pc @ONLY)
configure_package_config_file(cmake/vssConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/vssConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vss)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/vssConfigVersion.cmake COMPATIBILITY SameMinorVersion)
if(PROJECT_IS_TOP_LEVEL)
    install(TARGETS vss vss_static EXPORT vssTargets)
    install(FILES include/vss.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(DIRECTORY include/vss DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vss.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/vssConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/vssConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vss)
    install(EXPORT vssTargets NAMESPACE vss:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/vss)
    add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_CURRENT_BINARY_DIR}/install_manifest.txt
        -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/uninstall.cmake)
endif()
