// A progress bar for terminals.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace steward {

// For PoolOptions::on_progress: draws a line like
//
//   primes [##########          ]  50 %  500/1000  3 s left
//
// over itself on the descriptor, and ends it when all is done. Where that is no terminal it writes
// nothing. Call it from one thread at a time, as a pool does. Copies share the line.
std::function<void(std::size_t done, std::size_t total)> progress_bar(std::string label = {},
                                                                      int fd = 2);

namespace detail::pool {

// The line, so many columns wide at most, without what moves the cursor.
std::string progress_line(const std::string& label, std::size_t done, std::size_t total,
                          double seconds, std::size_t columns);

}  // namespace detail::pool
}  // namespace steward
