# Tests of a room, and of what must not compile.
include(GoogleTest)

# A process for each test: one that crashes or hangs takes no other along, and each may start
# processes from a program that is still single-threaded. PRE_TEST asks for the names when ctest
# runs, so that building never runs anything.
function(steward_discover_tests target)
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${STEWARD_TEST_TIMEOUT}
    ${ARGN})
endfunction()

# steward_failing_new(<target>): memory ends in these tests where they say (tests/shm/failing_new.hpp).
# The thread sanitizer's runtime has an operator new of its own, which the linker would refuse.
function(steward_failing_new target)
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/shm/failing_new.cpp)
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
    target_link_options(${target} PRIVATE LINKER:-z,muldefs)
  endif()
endfunction()

# steward_tests(<name> ROOMS <room>... [USES <target>...])
#
# One executable <name>_tests from every .cpp file of this directory (not below it), linked to the
# rooms given, what these may see, and nothing else. Without a .cpp file there is no executable. A
# main() among the files takes the place of GoogleTest's.
function(steward_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ROOMS;USES")
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(NOT sources)
    return()
  endif()
  list(TRANSFORM arg_ROOMS PREPEND steward_)

  add_executable(${name}_tests ${sources})
  target_link_libraries(${name}_tests PRIVATE ${arg_ROOMS} ${arg_USES}
    GTest::gmock GTest::gtest GTest::gtest_main)
  steward_discover_tests(${name}_tests TEST_PREFIX ${name}.)
endfunction()

# steward_compile_fail(<name> <source.cpp> CASE <n> EXPECT "<regex>" [ONE_ERROR])
#
# Passes if <source.cpp> does not compile with -DCASE=<n> and the compiler says what <regex>
# matches; with ONE_ERROR, if that is its only error. With -DCASE=0 the same file must compile: that is a test too, and without it the others
# do not run, so that none of them passes because of a mere slip.
function(steward_compile_fail name source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "ONE_ERROR" "CASE;EXPECT" "")
  cmake_path(ABSOLUTE_PATH source NORMALIZE)
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/tests
    OUTPUT_VARIABLE control)
  set(control compile_fail.control:${control})

  set(compile ${CMAKE_COMMAND}
    -DCOMPILER=${CMAKE_CXX_COMPILER}
    -DSOURCE=${source}
    -DINCLUDES=$<JOIN:$<TARGET_PROPERTY:steward,INTERFACE_INCLUDE_DIRECTORIES>,|>
    -DDEFINITIONS=$<JOIN:$<TARGET_PROPERTY:steward,INTERFACE_COMPILE_DEFINITIONS>,|>)
  set(script -P ${PROJECT_SOURCE_DIR}/cmake/compile_fail.cmake)

  get_property(known GLOBAL PROPERTY ${control})
  if(NOT known)
    set_property(GLOBAL PROPERTY ${control} TRUE)
    add_test(NAME ${control} COMMAND ${compile} -DCASE=0 ${script})
    set_tests_properties(${control} PROPERTIES
      FIXTURES_SETUP ${control} TIMEOUT ${STEWARD_TEST_TIMEOUT})
  endif()
  add_test(NAME compile_fail.${name}
    COMMAND ${compile} -DCASE=${arg_CASE} "-DEXPECT=${arg_EXPECT}" -DONE_ERROR=${arg_ONE_ERROR}
      ${script})
  set_tests_properties(compile_fail.${name} PROPERTIES
    FIXTURES_REQUIRED ${control} TIMEOUT ${STEWARD_TEST_TIMEOUT})
endfunction()

# Tests clang.<room>: clang++ reads all sources of a room in one go, with warnings as errors. Users
# compile our headers with clang, too, and a whole build by it takes too long for each test run.
function(steward_clang_reads_rooms)
  find_program(STEWARD_CLANG clang++)
  if(NOT STEWARD_CLANG OR CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    return()
  endif()
  get_property(rooms GLOBAL PROPERTY STEWARD_ROOMS)
  foreach(room IN LISTS rooms)
    get_target_property(sources steward_${room} SOURCES)
    list(FILTER sources INCLUDE REGEX "\\.cpp$")
    list(TRANSFORM sources PREPEND "#include \"")
    list(TRANSFORM sources APPEND "\"\n")
    string(JOIN "" text ${sources})
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/clang/${room}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
    set(definitions $<TARGET_PROPERTY:steward_${room},COMPILE_DEFINITIONS>)
    add_test(NAME clang.${room} COMMAND ${STEWARD_CLANG} -std=c++20 -fsyntax-only
      -Wall -Wextra -Wpedantic -Wconversion -Werror
      -I${PROJECT_BINARY_DIR}/include -DMSGPACK_NO_BOOST
      "$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},;-D>>" ${unit} COMMAND_EXPAND_LISTS)
    set_tests_properties(clang.${room} PROPERTIES TIMEOUT ${STEWARD_TEST_TIMEOUT})
  endforeach()
endfunction()
