#include <steward/bench/steward_peer.hpp>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include <zmq.hpp>

#include <steward/bench/crowd.hpp>
#include <steward/bench/raw_session.hpp>

namespace steward::bench {
namespace {

using namespace std::chrono_literals;

constexpr int kAge = 36;

void use_api(std::string socket, std::string address) {
  const Manager manager = Manager::connect(address);
  const auto ages = manager.dict<std::string, int>(named("ages"));
  const auto numbers = manager.list<int>();
  const auto jobs = manager.queue<int>();
  const Lock lock = manager.lock();

  const auto get = [&] { static_cast<void>(ages.at("ada")); };
  Answers answers(socket);
  answers.on("dict_get", [&](std::size_t count) { return timed(count, get); });
  answers.on("dict_get_for", [&](std::size_t time) {
    return timed_for(std::chrono::milliseconds(time), get);
  });
  answers.on("dict_get_each", [&](std::size_t count) { return distribution(count, get); });
  answers.on("dict_get_threads", [&](std::size_t count) {
    const std::size_t each = count / kThreads;
    Run run = timed(1, [&] {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back([&] { timed(each, get); });
    });
    run.calls = static_cast<double>(each * kThreads);
    return run;
  });
  answers.on("dict_set", [&](std::size_t count) {
    return timed(count, [&] { ages.set("ada", kAge); });
  });
  answers.on("list_append", [&](std::size_t count) {
    numbers.clear();
    return timed(count, [&] { numbers.append(1); });
  });
  answers.on("queue_pair", [&](std::size_t count) {
    return timed(count, [&] {
      jobs.put(1);
      static_cast<void>(jobs.get());
    });
  });
  answers.on("lock_pair", [&](std::size_t count) {
    return timed(count, [&] { const std::scoped_lock hold(lock); });
  });
  answers.serve();
}

void use_envelopes(std::string socket, std::string address, std::size_t window,
                   std::size_t group) {
  zmq::context_t context(1);
  RawSession session(context, address);
  session.await_welcome();
  const std::uint32_t ages = session.open("dict", "ages");
  Answers answers(socket);
  answers.on("stream", [&](std::size_t count) {
    Run run = timed(1, [&] { session.get(ages, "ada", kAge, count, window, group); });
    run.calls = static_cast<double>(count);
    return run;
  });
  answers.serve_and(1s, [&] {
    if (session.lease() > 0s) session.renew();
  });
}

void be_a_crowd(std::string socket, std::string address, std::size_t count) {
  raise_descriptor_limit();
  zmq::context_t context(1);
  context.set(zmq::ctxopt::max_sockets, static_cast<int>(count) + 16);
  std::vector<RawSession> sessions;
  sessions.reserve(count);
  connect_in_groups(
      count, [&](std::size_t) { sessions.emplace_back(context, address); },
      [&](std::size_t i) { sessions[i].await_welcome(); });
  const auto renewal = sessions.empty() ? 0ms : sessions.front().lease() / 3;
  Answers answers(socket);
  if (renewal == 0ms) return answers.serve();
  // As clients of many programs would: not all at once.
  constexpr std::size_t kPortions = 64;
  std::size_t next = 0;
  answers.serve_and(renewal / kPortions, [&] {
    for (std::size_t i = 0; i <= sessions.size() / kPortions; ++i) {
      sessions[next].renew();
      next = (next + 1) % sessions.size();
    }
  });
}

ManagerOptions options_for(const std::string& transport) {
  ManagerOptions options;
  if (transport == "tcp") options.address = "tcp://127.0.0.1:0";
  return options;
}

}  // namespace

Subject::Subject(const std::string& transport)
    : manager_(options_for(transport)),
      ages_(manager_.dict<std::string, int>(named("ages"), {{"ada", kAge}})) {}

std::unique_ptr<Peer> steward_client(const Scratch& scratch, const Subject& subject) {
  return std::make_unique<Peer>(scratch, "steward", use_api, subject.address());
}

std::unique_ptr<Peer> raw_client(const Scratch& scratch, const Subject& subject,
                                 std::size_t window, std::size_t group) {
  return std::make_unique<Peer>(scratch, "raw", use_envelopes, subject.address(), window, group);
}

std::unique_ptr<Peer> steward_crowd(const Scratch& scratch, const Subject& subject,
                                    std::size_t count) {
  return std::make_unique<Peer>(scratch, "crowd", be_a_crowd, subject.address(), count);
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace steward::bench
