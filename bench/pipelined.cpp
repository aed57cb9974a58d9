// Many calls under way. There is no asynchronous call in the public API yet: envelopes made by hand
// stand for it, and threads are what a program can do today.
#include <memory>
#include <optional>
#include <string>

#include <steward/bench/echo.hpp>
#include <steward/bench/groups.hpp>
#include <steward/bench/others.hpp>
#include <steward/bench/steward_peer.hpp>

namespace steward::bench {
namespace {

constexpr std::size_t kGroup = 16;  // calls in one envelope, and commands in one write to Redis
constexpr double kPartOfEcho = 0.7;
constexpr double kTimesRedisBenchmark = 1.5;

struct Transport {
  Transport(Bench& bench, const std::string& over, std::vector<Task>& tasks)
      : subject(over),
        server(bench.scratch, over, Waiting::receive),
        echo_peer(echo_client(bench.scratch, server, Waiting::receive, bench.options.window)),
        single_peer(raw_client(bench.scratch, subject, bench.options.window, 1)),
        grouped_peer(raw_client(bench.scratch, subject, bench.options.window, kGroup)),
        api(steward_client(bench.scratch, subject)),
        echo(add(bench, tasks, "echo", "zeromq", over, *echo_peer, "stream")),
        single(add(bench, tasks, "dict get, a call an envelope", "steward", over, *single_peer,
                   "stream")),
        grouped(add(bench, tasks, "dict get, 16 calls an envelope", "steward", over,
                    *grouped_peer, "stream")) {
    add(bench, tasks, "dict get, 16 threads, API", "steward", over, *api, "dict_get_threads");
  }

  static Row& add(Bench& bench, std::vector<Task>& tasks, const char* what, const char* peer,
                  const std::string& over, Peer& client, const std::string& operation) {
    Row& row = bench.report.row({"pipelined", what, peer, over, Unit::per_second});
    tasks.push_back(
        {row, [&client, operation](std::size_t count) { return client.run(operation, count); }});
    return row;
  }

  Subject subject;
  EchoServer server;
  std::unique_ptr<Peer> echo_peer;
  std::unique_ptr<Peer> single_peer;
  std::unique_ptr<Peer> grouped_peer;
  std::unique_ptr<Peer> api;
  Row& echo;
  Row& single;
  Row& grouped;
};

}  // namespace

void measure_pipelined(Bench& bench) {
  using Mark = Comparison::Mark;
  std::vector<Task> tasks;
  Transport ipc(bench, "ipc", tasks);
  Transport tcp(bench, "tcp", tasks);

  std::optional<Redis> redis;
  std::unique_ptr<Peer> redis_peer;
  Row* pipeline = nullptr;
  Row* benchmark = nullptr;
  if (has_redis()) {
    redis.emplace(bench.scratch);
    redis_peer = redis_client(bench.scratch, *redis, kGroup);
    pipeline = &Transport::add(bench, tasks, "GET, pipeline 16, one client", "redis", "unix",
                               *redis_peer, "stream");
    if (!find_program("redis-benchmark").empty()) {
      benchmark = &bench.report.row(
          {"pipelined", "GET, redis-benchmark -c 50 -P 16", "redis", "unix", Unit::per_second});
      tasks.push_back({*benchmark, [&redis](std::size_t count) {
                         // It prints no more than three digits behind the point of its seconds.
                         constexpr std::size_t kLeast = 10'000;
                         return redis_benchmark(*redis, std::max(kLeast, count));
                       }});
    }
  }
  measure(bench, std::move(tasks));

  const auto compare = [&](const std::string& what, const Row& ours, const Row& theirs, Mark mark,
                           double limit) {
    bench.report.compare({what, speed_ratio(ours, theirs), mark, limit});
  };
  compare("pipelined over ipc, of the ZeroMQ echo", ipc.single, ipc.echo, Mark::none, 0);
  compare("pipelined over tcp, of the ZeroMQ echo", tcp.single, tcp.echo, Mark::at_least,
          kPartOfEcho);
  if (pipeline != nullptr) {
    compare("16 calls an envelope over ipc, times Redis, pipeline 16", ipc.grouped, *pipeline,
            Mark::none, 0);
  }
  if (benchmark != nullptr) {
    compare("16 calls an envelope over ipc, times redis-benchmark -P 16", ipc.grouped, *benchmark,
            Mark::at_least, kTimesRedisBenchmark);
  }
}

}  // namespace steward::bench
