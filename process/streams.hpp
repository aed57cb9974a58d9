// The standard streams around a fork.
#pragma once

#include <string_view>

namespace steward::detail::process {

// Writes out what standard output and error hold back, in C and in C++, so that it comes before
// what a new process writes and not a second time from it. Not fflush(nullptr): that waits for a
// thread that reads standard input.
void flush_streams() noexcept;

// In a copy of the program, which goes on with what standard output and error hold back: forgets
// that. With no descriptor left, only what C's streams hold.
void forget_output() noexcept;

// Forgets input that was read ahead, ends of file and errors: the descriptors are others now.
void renew_streams() noexcept;

// Writes the whole line to standard error, in one piece if the system lets it. What it holds may be
// anybody's words: see core::visible(). Only a newline at its end stays one.
void write_error(std::string_view line) noexcept;

}  // namespace steward::detail::process
