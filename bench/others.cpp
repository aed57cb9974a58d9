#include <steward/bench/others.hpp>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>

#include <steward/bench/redis_connection.hpp>

namespace steward::bench {
namespace {

using namespace std::chrono_literals;

void be_python(std::string socket, std::string python, std::string script) {
  // -B: the sources stay as they are.
  become({python, "-B", std::string(STEWARD_BENCH_PEERS) + "/" + script, socket});
}

std::unique_ptr<Peer> python_peer(const Scratch& scratch, const std::string& script) {
  const std::string python = find_program("python3");
  if (python.empty()) return nullptr;
  return std::make_unique<Peer>(scratch, "python", be_python, python, script);
}

void be_redis(std::string program, std::string socket) {
  become({program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"});
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

void use_redis(std::string socket, std::string server, std::size_t window) {
  RedisConnection redis(server);
  if (!redis.connected()) throw std::runtime_error("no Redis at " + server);
  const std::string get = redis_command({"GET", "ada"});
  const std::string value = "$2\r\n36\r\n";
  const std::string set = redis_command({"SET", "ada", "36"});
  redis.ask(set, "+OK\r\n");

  Answers answers(socket);
  answers.on("dict_get",
             [&](std::size_t count) { return timed(count, [&] { redis.ask(get, value); }); });
  answers.on("dict_set",
             [&](std::size_t count) { return timed(count, [&] { redis.ask(set, "+OK\r\n"); }); });
  answers.on("list_append", [&](std::size_t count) {
    const std::string push = redis_command({"RPUSH", "numbers", "1"});
    redis.ask_line(redis_command({"DEL", "numbers"}));
    std::size_t length = 0;
    std::string reply;
    return timed(count, [&] {
      reply.clear();
      append_redis_number(reply, ':', ++length);
      redis.ask(push, reply);
    });
  });
  const std::string gets = repeated(get, window);
  const std::string values = repeated(value, window);
  answers.on("stream", [&](std::size_t count) {
    Run run = timed(std::max<std::size_t>(1, count / window), [&] { redis.ask(gets, values); });
    run.calls *= static_cast<double>(window);
    return run;
  });
  answers.serve();
}

}  // namespace

std::unique_ptr<Peer> python_client(const Scratch& scratch) {
  return python_peer(scratch, "manager.py");
}

std::unique_ptr<Peer> python_queues(const Scratch& scratch) {
  return python_peer(scratch, "queues.py");
}

std::unique_ptr<Peer> python_pool(const Scratch& scratch) {
  return python_peer(scratch, "pool.py");
}

bool has_redis() { return !find_program("redis-server").empty(); }

Redis::Redis(const Scratch& scratch)
    : socket_(scratch.path("redis")),
      server_({.name = "redis", .daemon = true}, be_redis, find_program("redis-server"), socket_) {
  server_.start();
  constexpr auto kPatience = 10s;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!RedisConnection(socket_).connected()) {
    if (!server_.is_alive() || std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("redis-server does not start");
    }
    ::poll(nullptr, 0, 5);  // there is nothing to wait for but the file
  }
}

Redis::~Redis() {
  try {
    server_.terminate();
    server_.join();
  } catch (const std::exception&) {
    // Then it ends with this program.
  }
}

std::unique_ptr<Peer> redis_client(const Scratch& scratch, const Redis& redis,
                                   std::size_t window) {
  return std::make_unique<Peer>(scratch, "redis-client", use_redis, redis.socket(), window);
}

Run redis_benchmark(const Redis& redis, std::size_t count) {
  if (find_program("redis-benchmark").empty()) return {};
  const std::string line = "redis-benchmark -s " + redis.socket() + " -n " +
                           std::to_string(count) + " -c 50 -P 16 -t get --csv";
  std::FILE* output = ::popen(line.c_str(), "r");
  if (output == nullptr) return {};
  // "test","rps",...  then  "GET","1234567.88",...
  double rate = 0;
  std::array<char, 1024> text;
  while (std::fgets(text.data(), static_cast<int>(text.size()), output) != nullptr) {
    std::sscanf(text.data(), "\"GET\",\"%lf\"", &rate);
  }
  ::pclose(output);
  if (rate <= 0) throw std::runtime_error("redis-benchmark gave no figure");
  return {static_cast<double>(count), static_cast<double>(count) / rate};
}

}  // namespace steward::bench
