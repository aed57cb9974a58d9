# Compiles SOURCE with -DCASE=<CASE>. CASE 0 must compile; any other must not, and the compiler's
# words must match EXPECT and, with ONE_ERROR, be about no other error, in at most five lines. Run by
# the tests that steward_compile_fail() makes.
cmake_minimum_required(VERSION 3.25)

string(REPLACE "|" ";" INCLUDES "${INCLUDES}")
string(REPLACE "|" ";" DEFINITIONS "${DEFINITIONS}")
list(TRANSFORM INCLUDES PREPEND -I)
list(TRANSFORM DEFINITIONS PREPEND -D)

# One language and no colour: EXPECT matches what the compiler says in plain English.
set(ENV{LC_ALL} C)
execute_process(
  COMMAND ${COMPILER} -std=c++20 -fsyntax-only -fdiagnostics-color=never
    -DCASE=${CASE} ${INCLUDES} ${DEFINITIONS} ${SOURCE}
  RESULT_VARIABLE result
  ERROR_VARIABLE words)

if(CASE EQUAL 0)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "The positive control (CASE 0) does not compile:\n${words}")
  endif()
elseif(result EQUAL 0)
  message(FATAL_ERROR "CASE ${CASE} compiles, and must not.")
elseif(NOT words MATCHES "${EXPECT}")
  message(FATAL_ERROR "CASE ${CASE} does not compile, but nothing matches\n  ${EXPECT}\nin\n${words}")
endif()

string(REGEX MATCHALL " error: " errors "${words}")
list(LENGTH errors errors)
if(ONE_ERROR AND errors GREATER 1)
  message(FATAL_ERROR "CASE ${CASE}: ${errors} errors instead of one:\n${words}")
endif()
if(ONE_ERROR)
  # From the error to the notes on how the compiler came there.
  string(REGEX REPLACE "^.* error: " "" error "${words}")
  string(REGEX REPLACE "\n[^\n]*(: note: |: In |In file |required |\\.\\.\\.\\.\\.\\.|[0-9]+ errors? generated).*$" "" error "${error}")
  string(REGEX MATCHALL "\n." lines "${error}")
  list(LENGTH lines lines)
  if(lines GREATER 4)
    message(FATAL_ERROR "CASE ${CASE}: an error of more than five lines:\n${error}")
  endif()
endif()
