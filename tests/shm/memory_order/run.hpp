// Runs plays, many times each.
#pragma once

#include <cstdint>
#include <iostream>
#include <ostream>
#include <string>

#include <steward/tests/shm/memory_order/words.hpp>

namespace steward::detail::test {

struct Played {
  rl::test_result_e result;
  std::uint64_t count;
  std::uint64_t last;  // by its number a random play can be repeated

  bool good() const { return result == rl::test_result_success; }
};

namespace impl {

// What is said of it is not kept in memory: what grows within a play belongs to that.
template <class Play>
Played run(rl::test_params& params, std::ostream& out) {
  std::ostream nowhere(nullptr);
  params.output_stream = &out;
  params.progress_stream = &nowhere;
  params.execution_depth_limit = 5000;
  rl::simulate<Play>(params);
  return {params.test_result, params.stop_iteration, params.stop_iteration};
}

template <class Play>
Played run_randomly(std::uint64_t first, std::uint64_t count, std::ostream& out) {
  rl::test_params params;
  params.initial_state = std::to_string(first);
  params.iteration_count = first + count - 1;
  Played played = run<Play>(params, out);
  played.count -= first - 1;
  return played;
}

}  // namespace impl

// So many random plays, or as many as there are until one goes wrong. The first is number `seed`.
template <class Play>
Played play_randomly(std::uint64_t seed, std::uint64_t count) {
  std::ostream nowhere(nullptr);
  return impl::run_randomly<Play>(seed % 1'000'000'000 + 1, count, nowhere);
}

// Every schedule with at most so many preemptions.
template <class Play>
Played play_all(unsigned preemptions) {
  std::ostream nowhere(nullptr);
  rl::test_params params;
  params.search_type = rl::fair_context_bound_scheduler_type;
  params.context_bound = preemptions;
  return impl::run<Play>(params, nowhere);
}

// Says each step of the last of these plays.
template <class Play>
void say(const Played& played) {
  impl::run_randomly<Play>(played.last, 1, std::cout);
}

// A play, by a name.
struct Piece {
  const char* name;
  Played (*play)(std::uint64_t seed, std::uint64_t count);
};

}  // namespace steward::detail::test
