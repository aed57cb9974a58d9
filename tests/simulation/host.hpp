// Host: the simulated process of the server: its core with Connections, Liveness, Outbox and
// Backlog around it, and a loop that takes the place of Server::step() and keeps its order: a dead
// session's own requests, then its death, then everybody else's. Whatever goes in and comes out is
// shown to the book.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/planted_fault.hpp>
#include <steward/manager/server/backlog.hpp>
#include <steward/manager/server/connections.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/liveness.hpp>
#include <steward/manager/server/outbox.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/tests/simulation/book.hpp>
#include <steward/tests/simulation/network.hpp>
#include <steward/tests/simulation/schedule.hpp>

namespace steward::detail::simulation {

class Host {
 public:
  Host(Schedule& schedule, test::Random& random, Verdict& verdict, Book& book,
       const core::Limits& limits, core::Fault fault);

  Network& network() { return network_; }
  server::Core& core() { return core_; }
  const core::Incarnation& incarnation() const { return core_.identity().incarnation; }

  // The kernel says that a local process has ended, which has had these connections. What it had
  // sent by then has arrived, or is lost.
  void process_died(const std::vector<std::string>& routes);
  // The server stands still.
  void pause(core::Duration time);
  bool at_rest() const {
    return backlog_.empty() && dying_.empty() && !outbox_.next_deadline() &&
           !network_.has_arrivals();
  }

  // A call of one who is always there and sees everything; the encoded result, or empty.
  std::string ask(core::ObjectId object, std::string_view method, std::string_view args);
  void end_inspection();

 private:
  void arrived();
  void plan(core::Time time);
  void pass();
  void apply_deaths();
  void collect();
  void serve(server::Arrival arrival);
  bool admits() const;
  void feed(const server::Input& input);
  void apply(const server::Input& input);
  void release();

  Schedule& schedule_;
  test::Random& random_;
  Verdict& verdict_;
  Book& book_;
  const core::Limits limits_;
  const core::Fault fault_;
  server::Core core_;
  server::Poller poller_;
  Network network_;
  server::Liveness liveness_;
  server::Outbox outbox_;
  server::Connections connections_;
  server::Backlog backlog_;
  server::Outputs outputs_;
  std::map<core::SessionId, std::string> opened_at_;  // sessions, and the routes of their hellos
  std::set<std::string> dead_;                        // routes of processes that have ended
  std::string serving_;  // the route of the frame that is being served,
  std::string ticket_;   // and its ticket, if it is a hello with one
  std::map<std::string, core::SessionId> tickets_;    // that were shown, and for which sessions
  std::set<core::SessionId> spoken_;                  // those whose clients have their welcomes
  std::vector<core::SessionId> dying_;
  core::Deadline planned_;
  core::Time paused_until_{};
  core::SessionId inspector_;
  bool inspected_ = true;
  core::Seq asked_ = 0;
};

}  // namespace steward::detail::simulation
