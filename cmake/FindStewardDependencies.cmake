# The outside libraries of steward, for its own build and for programs that use an installed one:
#
#   component `headers`  steward::dependency::msgpack, which our headers include
#   component `link`     steward::dependency::zmq, steward::dependency::sodium, fmt::fmt and
#                        spdlog::spdlog, which who links to a static steward links to as well
#   component `build`    Boost::headers, and the header of cppzmq
#
# Without COMPONENTS all of them. libzmq and libsodium ship no CMake package on Debian and are found
# through pkg-config; msgpack-cxx has changed the name of its package and target with nearly every
# major version, and cppzmq is one header: both are found by that header.

if(NOT StewardDependencies_FIND_COMPONENTS)
  set(StewardDependencies_FIND_COMPONENTS headers link build)
endif()

find_path(StewardMsgpack_INCLUDE_DIR msgpack.hpp)
mark_as_advanced(StewardMsgpack_INCLUDE_DIR)
set(required StewardMsgpack_INCLUDE_DIR)
if(link IN_LIST StewardDependencies_FIND_COMPONENTS)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    # Anybody who could connect was able to stop an older libzmq (CVE-2020-15166).
    pkg_check_modules(StewardZmq QUIET libzmq>=4.3.3)
    pkg_check_modules(StewardSodium QUIET libsodium>=1.0.18)
  endif()
  find_package(fmt QUIET CONFIG)
  find_package(spdlog QUIET CONFIG)
  list(APPEND required PKG_CONFIG_FOUND StewardZmq_FOUND StewardSodium_FOUND fmt_FOUND spdlog_FOUND)
endif()
if(build IN_LIST StewardDependencies_FIND_COMPONENTS)
  # Of what pkg-config says of includes, libzmq's own are for libzmq.
  find_path(StewardCppzmq_INCLUDE_DIR zmq.hpp)
  find_path(StewardZmq_INCLUDE_DIR zmq.h HINTS ${StewardZmq_INCLUDE_DIRS})
  find_path(StewardSodium_INCLUDE_DIR sodium.h HINTS ${StewardSodium_INCLUDE_DIRS})
  mark_as_advanced(StewardCppzmq_INCLUDE_DIR StewardZmq_INCLUDE_DIR StewardSodium_INCLUDE_DIR)
  find_package(Boost 1.74 QUIET CONFIG)
  list(APPEND required
    StewardCppzmq_INCLUDE_DIR StewardZmq_INCLUDE_DIR StewardSodium_INCLUDE_DIR Boost_FOUND)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(StewardDependencies
  REQUIRED_VARS ${required}
  REASON_FAILURE_MESSAGE
    "steward needs libzmq 4.3.3 or newer, cppzmq, msgpack-cxx, libsodium, Boost, fmt and spdlog")

if(StewardDependencies_FOUND AND NOT TARGET steward::dependency::msgpack)
  add_library(steward::dependency::msgpack INTERFACE IMPORTED)
  target_include_directories(steward::dependency::msgpack SYSTEM INTERFACE
    ${StewardMsgpack_INCLUDE_DIR})
  # The headers of steward include msgpack's, so whoever includes ours must say the same.
  target_compile_definitions(steward::dependency::msgpack INTERFACE MSGPACK_NO_BOOST)
endif()
if(StewardZmq_FOUND AND NOT TARGET steward::dependency::zmq)
  add_library(steward::dependency::zmq INTERFACE IMPORTED)
  target_link_libraries(steward::dependency::zmq INTERFACE ${StewardZmq_LINK_LIBRARIES})
  add_library(steward::dependency::sodium INTERFACE IMPORTED)
  target_link_libraries(steward::dependency::sodium INTERFACE ${StewardSodium_LINK_LIBRARIES})
  if(build IN_LIST StewardDependencies_FIND_COMPONENTS)
    target_include_directories(steward::dependency::zmq SYSTEM INTERFACE
      ${StewardCppzmq_INCLUDE_DIR} ${StewardZmq_INCLUDE_DIR})
    target_include_directories(steward::dependency::sodium SYSTEM INTERFACE
      ${StewardSodium_INCLUDE_DIR})
  endif()
endif()
