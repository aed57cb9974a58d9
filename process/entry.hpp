// Entry: where a new process begins.
#pragma once

#include <string_view>

namespace steward::detail::process {

class ChildContext;

// What a new process runs, in the process itself. When it returns, the process ends with exit code
// 0; an exception that leaves it means exit code 1, and goes to the starter as its own before
// context.confirm(), to standard error after.
//
// A function of this program, or of a library that the process has too: with the fork server one
// that was loaded before it was started, with spawn one that the program is linked to.
// `arguments` are what Launch gave; the view ends with context.confirm().
using Entry = void (*)(ChildContext& context, std::string_view arguments);

}  // namespace steward::detail::process
