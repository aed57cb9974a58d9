# The steps of the test installed_consumer; the first that fails ends it.
cmake_minimum_required(VERSION 3.25)

set(prefix ${SCRATCH}/prefix)
set(build ${SCRATCH}/build)
# Nothing from an earlier run: a header that is no longer installed must be missed.
file(REMOVE_RECURSE ${prefix} ${build})

execute_process(
  COMMAND ${CMAKE_COMMAND} --install ${STEWARD} --prefix ${prefix} --component library
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${CONSUMER} -B ${build} -G Ninja
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND ${CMAKE_COMMAND} --build ${build}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND ${build}/consumer
  OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT output STREQUAL EXPECT)
  message(FATAL_ERROR "The consumer printed '${output}', and should have printed '${EXPECT}'.")
endif()
