// Process: a simulated process of the program: a client's core with what its driver does for it
// (connections, dialling, renewals, the time), references, and threads that make calls. It may
// stand still, and then hears all at once what has come meanwhile; and it may die at any moment.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/session/core.hpp>
#include <steward/tests/simulation/host.hpp>

namespace steward::detail::simulation {

class Thread;

// What all processes of a world share.
struct Place {
  Schedule& schedule;
  test::Random& random;
  Verdict& verdict;
  Book& book;
  Host& host;
  bool calm = false;   // nobody begins anything, and nothing breaks
  // Handles that travel outside: each has a lease.
  std::vector<core::Token> mail = {};
};

class Process final : public Endpoint {
 public:
  Process(Place& place, unsigned number, server::Peer peer, core::Duration patience,
          unsigned threads);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  // --- what befalls it
  bool alive() const { return alive_; }
  // Its core has given up: it can make no call any more.
  bool lost() const { return alive_ && core_->link().closed(); }
  void die();
  void announce_end();
  void pause(core::Duration time);
  // Its connection breaks, and no other comes about for a time.
  void part(core::Duration unnoticed, core::Duration time);
  // Everybody goes on, or (for good) gives up what he waits for and gives back what he has.
  void go_on();
  void finish();
  void drop_references();
  void leave();
  bool at_rest() const;
  std::string unrest() const;
  void check_calm(const std::map<core::ObjectId, std::string>& objects);

  // --- for its threads, and only from within an input
  Place& place() { return place_; }
  client::SessionCore& core() { return *core_; }
  core::Time now() const { return place_.schedule.now(); }
  // Something happens to this process: now, or when it goes on.
  void input(std::function<void()> what);
  // The server's name of a session.
  core::SessionId session_of(client::SessionNumber number) const;
  core::ReferencePtr adopt(core::Token token, client::SessionNumber granted_to);
  // All that stand in a result.
  std::vector<core::ReferencePtr> adopt_all(std::string_view result,
                                            client::SessionNumber granted_to);
  core::ThreadNumber new_thread_number() { return ++thread_numbers_; }
  std::map<std::string, core::ReferencePtr>& named() { return named_; }
  std::vector<core::ReferencePtr>& bag() { return bag_; }

 private:
  class OwnReference;

  void connected(const std::string& route) override;
  void connection_lost(const std::string& route) override;
  void frame(const std::string& route, const std::string& bytes) override;
  void connect();
  void act();
  void pump();
  void dial();
  void dialled();
  void drop_connection(bool passes);
  void set_timer();
  void renew();
  std::string ticket();
  // Of handles it has no threads for.
  std::string name() const { return "process " + std::to_string(number_); }

  Place& place_;
  const unsigned number_;
  const server::Peer peer_;
  bool alive_ = true;
  bool paused_ = false;
  std::deque<std::function<void()>> late_;
  core::Time apart_until_{};

  std::map<core::ObjectId, unsigned> living_;  // references by object
  std::vector<std::unique_ptr<Thread>> threads_;
  std::unique_ptr<client::SessionCore> core_;
  std::map<std::string, core::ReferencePtr> named_;
  std::vector<core::ReferencePtr> bag_;

  std::string route_;  // of its connection, if it has any
  std::vector<std::string> routes_;  // that it ever had
  bool connecting_ = false;
  bool dialling_ = false;
  bool pumps_later_ = false;
  bool renews_ = false;
  core::Deadline timer_;
  unsigned tickets_ = 0;
  core::ThreadNumber thread_numbers_ = 0;
  std::map<client::SessionNumber, core::SessionId> sessions_;
};

}  // namespace steward::detail::simulation
