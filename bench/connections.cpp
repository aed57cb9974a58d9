// What clients cost that only are there: memory of the server for each, and what they do to a
// client that works.
#include <poll.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <steward/bench/crowd.hpp>
#include <steward/bench/echo.hpp>
#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/bench/steward_peer.hpp>

namespace steward::bench {
namespace {

// A process of the crowd has two descriptors for each connection, and a limit of its own.
constexpr std::size_t kProcessMax = 2500;
constexpr const char* kOver = "tcp";

using MakeCrowd = std::function<std::unique_ptr<Peer>(std::size_t count)>;

std::vector<std::unique_ptr<Peer>> gather(std::size_t count, const MakeCrowd& make) {
  std::vector<std::unique_ptr<Peer>> crowd;
  for (std::size_t left = count; left > 0;) {
    const std::size_t part = std::min(left, kProcessMax);
    crowd.push_back(make(part));
    left -= part;
  }
  return crowd;
}

// The client that works, alone or beside the others.
struct Active {
  Active(Report& report, const std::string& state)
      : middle(report.row({"connections", "dict get, p50, " + state, "steward", kOver})),
        late(report.row({"connections", "dict get, p99, " + state, "steward", kOver})),
        cost(report.row({"connections", "server CPU of it, " + state, "steward", kOver})),
        idle(report.row({"connections", "server CPU without calls, " + state, "steward", kOver,
                         Unit::percent})) {}

  void measure(Bench& bench, Peer& client, pid_t server) {
    // A hundred of the slowest hundredth.
    constexpr std::size_t kCalls = 10'000;
    const std::size_t calls =
        std::min(kCalls, static_cast<std::size_t>(20 * bench.options.slice.count()));
    client.run("dict_get", std::min<std::size_t>(calls, 500));
    for (std::size_t round = 0; round < bench.options.rounds; ++round) {
      calibrate(bench);
      const double before = cpu_seconds(server);
      const Run run = client.run("dict_get_each", calls);
      cost.add({run.calls, cpu_seconds(server) - before});
      middle.samples.push_back(run.more.at(0));
      late.samples.push_back(run.more.at(1));
      rest(bench, server);
    }
  }

  void rest(Bench& bench, pid_t server) {
    const auto time = 4 * bench.options.slice;
    const double before = cpu_seconds(server);
    const auto start = std::chrono::steady_clock::now();
    ::poll(nullptr, 0, static_cast<int>(time.count()));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    idle.samples.push_back(100 * (cpu_seconds(server) - before) / took.count());
  }

  Row& middle;
  Row& late;
  Row& cost;
  Row& idle;
};

void compare(Report& report, const Active& beside, const Active& alone, const std::string& state) {
  report.compare({"p99 of a dict get " + state + ", times alone",
                  cost_ratio(beside.late, alone.late)});
  report.compare({"server CPU of a dict get " + state + ", times alone",
                  cost_ratio(beside.cost, alone.cost)});
}

}  // namespace

void measure_connections(Bench& bench) {
  const std::size_t count = bench.options.connections;
  const std::string beside_text = "beside " + std::to_string(count) + " idle";
  Row& memory = bench.report.row({"connections", "server memory of an idle client", "steward",
                                  kOver, Unit::bytes});
  Row& bare = bench.report.row({"connections", "server memory of a connection", "zeromq", kOver,
                                Unit::bytes});
  const auto each = [count](double bytes) { return bytes / static_cast<double>(count); };

  const Subject subject(kOver);
  const std::unique_ptr<Peer> client = steward_client(bench.scratch, subject);
  Active alone(bench.report, "alone");
  alone.measure(bench, *client, subject.pid());
  const double before = own_bytes(subject.pid());
  {
    const auto crowd = gather(count, [&](std::size_t part) {
      return steward_crowd(bench.scratch, subject, part);
    });
    memory.samples.push_back(each(own_bytes(subject.pid()) - before));
    Active beside(bench.report, beside_text);
    beside.measure(bench, *client, subject.pid());
    compare(bench.report, beside, alone, beside_text);
  }

  const EchoServer server(bench.scratch, kOver, Waiting::poll);
  const double bare_before = own_bytes(server.pid());
  const auto crowd = gather(count, [&](std::size_t part) {
    return echo_crowd(bench.scratch, server, part);
  });
  bare.samples.push_back(each(own_bytes(server.pid()) - bare_before));
  bench.report.compare({"server memory of an idle client, times a bare connection's",
                        cost_ratio(memory, bare)});
}

}  // namespace steward::bench
