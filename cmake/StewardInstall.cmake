# The library, its headers and the CMake package, in the component `library`.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/steward)

install(TARGETS steward EXPORT stewardTargets COMPONENT library)
install(EXPORT stewardTargets NAMESPACE steward:: DESTINATION ${package_dir} COMPONENT library)
install(DIRECTORY core shm process client proxy engine manager
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/steward
  COMPONENT library
  FILES_MATCHING PATTERN *.hpp PATTERN model EXCLUDE)
install(FILES steward.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/steward
  COMPONENT library)

# While the version begins with 0, every minor version may change what a program sees.
write_basic_package_version_file(stewardConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/stewardConfig.cmake.in stewardConfig.cmake
  INSTALL_DESTINATION ${package_dir})
install(FILES
  ${PROJECT_BINARY_DIR}/stewardConfig.cmake
  ${PROJECT_BINARY_DIR}/stewardConfigVersion.cmake
  cmake/FindStewardDependencies.cmake
  DESTINATION ${package_dir}
  COMPONENT library)
