# Debian packages, by `cpack` in a build tree of the preset `package` (scripts/package does it all):
# libsteward0 to run programs, libsteward-dev to build them, steward with the program steward.
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL library development program)
set(CPACK_VERBATIM_VARIABLES TRUE)
set(CPACK_STRIP_FILES TRUE)

set(CPACK_PACKAGE_NAME steward)
set(CPACK_PACKAGE_CONTACT "The authors of Steward")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})

set(CPACK_DEB_COMPONENT_INSTALL TRUE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS TRUE)
# Where dpkg-shlibdeps finds the library that the program is linked to: no package has it yet.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(same "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libsteward${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
"Lists, dicts, queues and locks that live in a manager process and feel like
local containers in every other; processes, pools and pipes. This package has
the library that programs need to run.")
# A program that is packaged depends on just the version that it was linked to.
file(WRITE ${PROJECT_BINARY_DIR}/packaging/shlibs
  "libsteward ${PROJECT_VERSION_MAJOR} ${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} ${same}\n")
file(WRITE ${PROJECT_BINARY_DIR}/packaging/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
  ${PROJECT_BINARY_DIR}/packaging/shlibs ${PROJECT_BINARY_DIR}/packaging/triggers)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsteward-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} ${same}, libmsgpack-cxx-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "cmake, pkgconf")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"What it takes to build programs with Steward: headers, a CMake package,
a pkg-config file, the documentation and examples.")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME steward)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME} ${same}")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
"The program for a shell: it starts managers that stand alone, looks into any
manager of this user, and puts values in or takes them out.")

# Every package says what it may be used for; only packages have that file.
foreach(component IN ITEMS library development program)
  string(TOUPPER ${component} upper)
  install(FILES LICENSE
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}
    RENAME copyright
    COMPONENT ${component}
    EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
