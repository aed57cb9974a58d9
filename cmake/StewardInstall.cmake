# What is installed, by components: `library` what programs need to run (of a shared library only),
# `development` what it takes to build them, `program` the program steward (see cli/CMakeLists.txt).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/steward)

install(TARGETS steward EXPORT stewardTargets
  ARCHIVE COMPONENT development
  LIBRARY COMPONENT library NAMELINK_COMPONENT development)
install(EXPORT stewardTargets NAMESPACE steward:: DESTINATION ${package_dir} COMPONENT development)
install(DIRECTORY core shm process pool client pipe proxy engine manager
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/steward
  COMPONENT development
  FILES_MATCHING PATTERN *.hpp PATTERN model EXCLUDE)
install(FILES steward.hpp version.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/steward
  COMPONENT development)

# A shared library brings what it is linked to along.
get_target_property(type steward TYPE)
if(type STREQUAL SHARED_LIBRARY)
  set(dependencies headers)
  set(requires)
else()
  set(dependencies headers link)
  set(requires "libzmq >= 4.3.3, libsodium >= 1.0.18, fmt, spdlog")
endif()

# While the version begins with 0, every minor version may change what a program sees.
write_basic_package_version_file(stewardConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/stewardConfig.cmake.in stewardConfig.cmake
  INSTALL_DESTINATION ${package_dir})
install(FILES
  ${PROJECT_BINARY_DIR}/stewardConfig.cmake
  ${PROJECT_BINARY_DIR}/stewardConfigVersion.cmake
  cmake/FindStewardDependencies.cmake
  DESTINATION ${package_dir}
  COMPONENT development)

set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE up)
get_target_property(definitions steward::dependency::msgpack INTERFACE_COMPILE_DEFINITIONS)
list(TRANSFORM definitions PREPEND -D)
list(JOIN definitions " " definitions)
configure_file(cmake/steward.pc.in steward.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/steward.pc
  DESTINATION ${pkgconfig_dir}
  COMPONENT development)

# With all that the README links to.
install(FILES LICENSE README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT development)
install(FILES bench/README.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/bench
  COMPONENT development)
install(DIRECTORY docs examples
  DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT development
  PATTERN CMakeLists.txt EXCLUDE)
