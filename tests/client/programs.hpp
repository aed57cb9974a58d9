// What the test program does instead of testing, if its first argument says so.
#pragma once

namespace steward::detail::test {

// Followed by an address: connects to the manager there, posts `add(7)` to object 3, and ends as a
// program does that returns from main().
inline constexpr const char* kPostAndEnd = "--post-and-end";
// Likewise: a thread that nobody joins calls `park` of object 3, and main() returns once there is
// nothing more to read from standard input. Ends with 3 if that thread is told of an end, with 4 if
// the thread that ends the program is not.
inline constexpr const char* kWaitAndEnd = "--wait-and-end";

}  // namespace steward::detail::test
