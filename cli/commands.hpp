// The subcommands: each adds itself to the program, with its options, its help and what it does.
#pragma once

#include <CLI/CLI.hpp>

namespace steward::cli {

void add_serve(CLI::App& program);
void add_list(CLI::App& program);
void add_stop(CLI::App& program);
void add_keygen(CLI::App& program);
void add_ls(CLI::App& program);
void add_show(CLI::App& program);
void add_call(CLI::App& program);
void add_create(CLI::App& program);
void add_remove(CLI::App& program);
void add_stat(CLI::App& program);

}  // namespace steward::cli
