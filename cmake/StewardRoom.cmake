# Rooms (one directory of the library each) and the product that is made of them.

# steward_room(<name> [SEES <room>...] [USES <outside target>...] [INCLUDES <outside target>...]
#              [EXCEPT <folder>] [HIDDEN])
#
# The static library steward_<name> from every .cpp file below this directory, or an interface
# target while there is none. It links to the rooms that it may see and to nothing else, so that a
# wrong arrow fails at link time in the tests of that room. INCLUDES names libraries that are all
# headers: whoever links to the product does not need them. EXCEPT names a folder that is a room of
# its own. HIDDEN says that no header for users needs anything of this room: a shared library does
# not offer it.
function(steward_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HIDDEN" "EXCEPT" "SEES;USES;INCLUDES")
  # A glob and not a list: the rooms fill quickly and by several hands, and a forgotten line would
  # be a file that is silently not built. CONFIGURE_DEPENDS looks again at every build.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp *.hpp)
  if(arg_EXCEPT)
    list(FILTER sources EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${arg_EXCEPT}/")
  endif()
  list(TRANSFORM arg_SEES PREPEND steward_)

  set(room steward_${name})
  if(sources MATCHES "\\.cpp(;|$)")
    add_library(${room} STATIC ${sources})
    set(reach PUBLIC)
    set_property(GLOBAL APPEND PROPERTY STEWARD_OBJECTS $<TARGET_OBJECTS:${room}>)
    set_property(GLOBAL APPEND PROPERTY STEWARD_ROOMS ${name})
  else()
    add_library(${room} INTERFACE)
    set(reach INTERFACE)
  endif()
  if(arg_HIDDEN)
    set_target_properties(${room} PROPERTIES
      CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON)
  endif()
  target_compile_features(${room} ${reach} cxx_std_20)
  target_include_directories(${room} ${reach} ${PROJECT_BINARY_DIR}/include)
  target_link_libraries(${room} ${reach} ${arg_SEES} ${arg_USES} ${arg_INCLUDES})
  set_property(GLOBAL APPEND PROPERTY STEWARD_USES ${arg_USES})
endfunction()

# The one library that programs link to: the objects of all rooms.
function(steward_product)
  get_property(objects GLOBAL PROPERTY STEWARD_OBJECTS)
  get_property(uses GLOBAL PROPERTY STEWARD_USES)
  list(REMOVE_DUPLICATES uses)

  add_library(steward ${objects})
  add_library(steward::steward ALIAS steward)
  set_target_properties(steward PROPERTIES
    LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
  get_target_property(type steward TYPE)
  if(type STREQUAL SHARED_LIBRARY)
    set(map ${PROJECT_BINARY_DIR}/steward.map)
    configure_file(cmake/steward.map.in ${map} @ONLY)
    target_link_options(steward PRIVATE LINKER:--version-script=${map})
    set_target_properties(steward PROPERTIES LINK_DEPENDS ${map})
  endif()
  target_compile_features(steward PUBLIC cxx_std_20)
  target_include_directories(steward PUBLIC
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # Our headers include msgpack's, and nothing else from outside.
  list(REMOVE_ITEM uses steward::dependency::msgpack Threads::Threads)
  target_link_libraries(steward
    PUBLIC steward::dependency::msgpack Threads::Threads
    PRIVATE ${uses})
endfunction()

# steward_programs(<target prefix>) makes every .cpp of this directory one program that links to
# steward::steward and to the further targets given, and puts their targets into `programs`.
function(steward_programs prefix)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  set(programs)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    add_executable(${prefix}${stem} ${source})
    set_target_properties(${prefix}${stem} PROPERTIES OUTPUT_NAME ${stem})
    target_link_libraries(${prefix}${stem} PRIVATE steward::steward ${ARGN})
    list(APPEND programs ${prefix}${stem})
  endforeach()
  set(programs ${programs} PARENT_SCOPE)
endfunction()
