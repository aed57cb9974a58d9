// A manager's statistics in the text format of Prometheus.
#pragma once

#include <iosfwd>

#include <steward/steward.hpp>

namespace steward::cli {

// `stat` as of Manager::stat(). What it does not have is left out. Nothing in it ends a line, or
// moves a cursor.
void print_prometheus(std::ostream& stream, const Value& stat);

}  // namespace steward::cli
