// The version of these headers. Programs linked to a shared library run with the same one: while
// the first number is 0, every release may change how both fit together.
#pragma once

#define STEWARD_VERSION_MAJOR 0
#define STEWARD_VERSION_MINOR 1
#define STEWARD_VERSION_PATCH 0
#define STEWARD_VERSION "0.1.0"
