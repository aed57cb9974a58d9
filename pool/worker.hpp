// The worker of a pool, in its own process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <steward/process/callable.hpp>
#include <steward/process/context.hpp>

namespace steward::detail::pool {

// What a worker is started with, as the arguments of run_worker().
struct WorkerOrder {
  std::size_t slot = 0;
  std::size_t tasks_max = 0;  // after so many it ends; 0: never
  const process::Work* initializer = nullptr;
};
std::string pack_worker_order(const WorkerOrder& order);

// The files that come along, in this order: the ring of tasks, the ring of results, the worker
// table.
inline constexpr std::size_t kTasksFile = 0;
inline constexpr std::size_t kResultsFile = 1;
inline constexpr std::size_t kTableFile = 2;

// The entry of the process: makes calls until the ring of tasks is closed and empty. Interrupts
// from the terminal are the pool's: its workers end with it.
void run_worker(process::ChildContext& context, std::string_view arguments);

}  // namespace steward::detail::pool
