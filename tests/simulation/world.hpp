// World: one simulated run, all of which follows from a seed: a server, processes that come and go,
// a network that breaks, and now and then a time of calm, after which both sides must agree. At the
// end everybody gives back what he has, and nothing may be left.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <steward/core/planted_fault.hpp>
#include <steward/tests/simulation/process.hpp>

namespace steward::detail::simulation {

struct Ended {
  std::optional<Violation> violation;
  std::deque<std::string> last;  // what was remembered
  std::uint64_t steps = 0;
  std::uint64_t events = 0;      // as Verdict counts them
  std::string state;             // of the server's core, before the end
  Counts counts;
};

class World {
 public:
  World(std::uint64_t seed, core::Fault fault, bool remembers);

  Ended run();

 private:
  static core::Limits limits(test::Random& random);
  void add_process();
  void trouble();
  void live(core::Duration time);
  // Until nothing is under way any more.
  void calm();
  bool at_rest() const;
  std::string unrest() const;
  std::map<core::ObjectId, std::string> objects();
  void check_calm();
  void check_contents();
  void check_queue(core::ObjectId id, QueueBook& book);
  void end();
  bool good() const { return verdict_.good(); }

  test::Random random_;
  Verdict verdict_;
  Schedule schedule_;
  Book book_;
  Host host_;
  Place place_;
  const unsigned threads_;
  const core::Duration patience_;
  std::vector<std::unique_ptr<Process>> processes_;  // the dead, too
};

// One run. `planted` may be Fault::none.
Ended run_world(std::uint64_t seed, core::Fault fault, bool remembers = false);

}  // namespace steward::detail::simulation
