// What the test program does instead of testing, if its first argument says so.
#pragma once

namespace steward::detail::test {

// Followed by an address: connects to the manager there, posts `add(7)` to object 3, and ends as a
// program does that returns from main().
inline constexpr const char* kPostAndEnd = "--post-and-end";

}  // namespace steward::detail::test
