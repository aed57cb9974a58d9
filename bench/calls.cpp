// One call at a time.
#include <array>
#include <memory>
#include <optional>
#include <string>

#include <steward/bench/echo.hpp>
#include <steward/bench/groups.hpp>
#include <steward/bench/others.hpp>
#include <steward/bench/steward_peer.hpp>

namespace steward::bench {
namespace {

struct Operation {
  const char* what;
  const char* name;
  double times_python;  // the mark: so many times as fast as CPython; 0: none
  bool redis;
};
constexpr std::array kOperations{
    Operation{"dict get", "dict_get", 10, true},
    Operation{"dict set", "dict_set", 0, true},
    Operation{"list append", "list_append", 0, true},
    Operation{"queue put + get", "queue_pair", 0, false},
    Operation{"lock + unlock", "lock_pair", 50, false},
};
constexpr double kTimesRedis = 5;         // dict get over ipc
constexpr double kTimesEchoOverTcp = 1.25;  // dict get, at most

// Where one kind of peer's rows go, and the tasks of all kinds.
class Rows {
 public:
  Rows(Bench& bench, std::vector<Task>& tasks) : bench_(bench), tasks_(tasks) {}

  Row& add(const char* what, const char* peer, const std::string& over, Peer& client,
           const std::string& operation) {
    Row& row = bench_.report.row({"calls", what, peer, over, Unit::micros});
    tasks_.push_back(
        {row, [&client, operation](std::size_t count) { return client.run(operation, count); }});
    return row;
  }

 private:
  Bench& bench_;
  std::vector<Task>& tasks_;
};

// Ours and the bare echo over one transport.
struct Transport {
  Transport(Bench& bench, const std::string& over, Rows& rows)
      : subject(over),
        plain(bench.scratch, over, Waiting::receive),
        polled(bench.scratch, over, Waiting::poll),
        client(steward_client(bench.scratch, subject)),
        plain_client(echo_client(bench.scratch, plain, Waiting::receive)),
        polled_client(echo_client(bench.scratch, polled, Waiting::poll)),
        echo(rows.add("echo, zmq_recv at both ends", "zeromq", over, *plain_client, "echo")),
        echo_polled(rows.add("echo, poll at both ends", "zeromq", over, *polled_client, "echo")) {
    for (const Operation& operation : kOperations) {
      ours.push_back(&rows.add(operation.what, "steward", over, *client, operation.name));
    }
  }

  Subject subject;
  EchoServer plain;
  EchoServer polled;
  std::unique_ptr<Peer> client;
  std::unique_ptr<Peer> plain_client;
  std::unique_ptr<Peer> polled_client;
  Row& echo;
  Row& echo_polled;
  std::vector<Row*> ours;
};

}  // namespace

void measure_calls(Bench& bench) {
  using Mark = Comparison::Mark;
  std::vector<Task> tasks;
  Rows rows(bench, tasks);
  Transport ipc(bench, "ipc", rows);
  Transport tcp(bench, "tcp", rows);

  std::optional<Redis> redis;
  std::unique_ptr<Peer> redis_peer;
  if (has_redis()) {
    redis.emplace(bench.scratch);
    redis_peer = redis_client(bench.scratch, *redis);
  } else {
    bench.report.note("there is no redis-server: the rows of Redis are missing");
  }
  const std::unique_ptr<Peer> python = python_client(bench.scratch);
  if (python) {
    bench.report.fact("python", python->text());
  } else {
    bench.report.note("there is no python3: the rows of CPython are missing");
  }

  struct Pair {
    std::string what;
    const Row* ours;
    const Row* theirs;
    Mark mark;
    double limit;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < kOperations.size(); ++i) {
    const Operation& operation = kOperations[i];
    const std::string what = operation.what;
    const Row* ours = ipc.ours[i];
    if (redis_peer && operation.redis) {
      const Row& theirs = rows.add(operation.what, "redis", "unix", *redis_peer, operation.name);
      pairs.push_back({what + " over ipc, times as fast as Redis", ours, &theirs,
                       i == 0 ? Mark::at_least : Mark::none, kTimesRedis});
    }
    if (python) {
      const Row& theirs = rows.add(operation.what, "cpython", "unix", *python, operation.name);
      pairs.push_back({what + " over ipc, times as fast as CPython's", ours, &theirs,
                       operation.times_python > 0 ? Mark::at_least : Mark::none,
                       operation.times_python});
    }
  }
  measure(bench, std::move(tasks));

  for (const Pair& pair : pairs) {
    bench.report.compare({pair.what, speed_ratio(*pair.ours, *pair.theirs), pair.mark, pair.limit});
  }
  const auto beside_echo = [&](const std::string& what, const Row& ours, const Row& echo,
                               Mark mark) {
    bench.report.compare({what, cost_ratio(ours, echo), mark, kTimesEchoOverTcp});
  };
  beside_echo("dict get over ipc, times the ZeroMQ echo", *ipc.ours[0], ipc.echo, Mark::none);
  beside_echo("dict get over ipc, times the polling ZeroMQ echo", *ipc.ours[0], ipc.echo_polled,
              Mark::none);
  beside_echo("dict get over tcp, times the ZeroMQ echo", *tcp.ours[0], tcp.echo, Mark::at_most);
  beside_echo("dict get over tcp, times the polling ZeroMQ echo", *tcp.ours[0], tcp.echo_polled,
              Mark::none);
}

}  // namespace steward::bench
