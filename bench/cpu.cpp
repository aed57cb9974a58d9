// Many clients, each one call at a time: what they get done, and what one call costs the server in
// CPU time, all its threads and its part of the kernel included.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <steward/bench/echo.hpp>
#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/bench/steward_peer.hpp>

namespace steward::bench {
namespace {

constexpr double kTimesEcho = 2;  // server CPU a call, at most

// All clients of one server.
class Clients {
 public:
  Clients(Bench& bench, const char* what, const char* peer, const std::string& over, pid_t server,
          std::string operation)
      : server_(server), operation_(std::move(operation)),
        rate_(row(bench, std::string(what) + ", all clients", peer, over, Unit::per_second)),
        cost_(row(bench, std::string(what) + ", server CPU", peer, over, Unit::micros)) {}

  void add(std::unique_ptr<Peer> client) { clients_.push_back(std::move(client)); }

  void run(std::chrono::milliseconds time, bool count = true) {
    const double before = cpu_seconds(server_);
    for (const auto& client : clients_) {
      client->begin(operation_, static_cast<std::size_t>(time.count()));
    }
    Run all;
    for (const auto& client : clients_) {
      const Run run = client->finish();
      all.calls += run.calls;
      all.seconds += run.seconds / static_cast<double>(clients_.size());
    }
    if (!count) return;
    rate_.add(all);
    cost_.add({all.calls, cpu_seconds(server_) - before});
  }

  const Row& rate() const { return rate_; }
  const Row& cost() const { return cost_; }

 private:
  static Row& row(Bench& bench, const std::string& what, const char* peer,
                  const std::string& over, Unit unit) {
    return bench.report.row({"cpu", what, peer, over, unit});
  }

  std::vector<std::unique_ptr<Peer>> clients_;
  pid_t server_;
  std::string operation_;
  Row& rate_;
  Row& cost_;
};

struct Transport {
  Transport(Bench& bench, const std::string& over_)
      : over(over_),
        subject(over),
        plain_server(bench.scratch, over, Waiting::receive),
        polled_server(bench.scratch, over, Waiting::poll),
        plain(bench, "echo, zmq_recv", "zeromq", over, plain_server.pid(), "echo_for"),
        polled(bench, "echo, poll", "zeromq", over, polled_server.pid(), "echo_for"),
        ours(bench, "dict get", "steward", over, subject.pid(), "dict_get_for") {
    for (std::size_t i = 0; i < bench.options.clients; ++i) {
      plain.add(echo_client(bench.scratch, plain_server, Waiting::receive));
      polled.add(echo_client(bench.scratch, polled_server, Waiting::poll));
      ours.add(steward_client(bench.scratch, subject));
    }
  }

  void run(std::chrono::milliseconds time, bool count) {
    for (Clients* clients : {&plain, &polled, &ours}) clients->run(time, count);
  }

  void compare(Report& report) const {
    using Mark = Comparison::Mark;
    report.compare({"server CPU of a dict get over " + over + ", times the ZeroMQ echo's",
                    cost_ratio(ours.cost(), plain.cost()), Mark::at_most, kTimesEcho});
    report.compare({"server CPU of a dict get over " + over + ", times the polling echo's",
                    cost_ratio(ours.cost(), polled.cost())});
    report.compare({"all clients over " + over + ", of the ZeroMQ echo",
                    speed_ratio(ours.rate(), plain.rate())});
  }

  std::string over;
  Subject subject;
  EchoServer plain_server;
  EchoServer polled_server;
  Clients plain;
  Clients polled;
  Clients ours;
};

}  // namespace

void measure_cpu(Bench& bench) {
  Transport ipc(bench, "ipc");
  Transport tcp(bench, "tcp");
  for (Transport* transport : {&ipc, &tcp}) transport->run(bench.options.slice, false);
  for (std::size_t round = 0; round < bench.options.rounds; ++round) {
    calibrate(bench);
    // Longer than elsewhere: so many clients take a while until all of them are at it.
    for (Transport* transport : {&ipc, &tcp}) transport->run(2 * bench.options.slice, true);
  }
  for (const Transport* transport : {&ipc, &tcp}) transport->compare(bench.report);
}

}  // namespace steward::bench
