// What the test program does instead of testing, if its first argument says so.
#pragma once

#include <string_view>

namespace steward::detail::test {

// Followed by one of the cases below: does it in a program that never calls child_entry(), and
// writes what it was refused with.
inline constexpr const char* kWithoutChildEntry = "--without-child-entry";
inline constexpr std::string_view kSetSpawn = "set-spawn";
inline constexpr std::string_view kAskForSpawn = "ask-for-spawn";
inline constexpr std::string_view kBesideAThread = "beside-a-thread";

int without_child_entry(std::string_view what);

}  // namespace steward::detail::test
