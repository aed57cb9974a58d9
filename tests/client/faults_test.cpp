// Sessions with the real server over a network that breaks all the time: every change takes effect
// exactly once, no item of a queue is lost or seen twice, no reference leaks.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <steward/client/grants.hpp>
#include <steward/client/reference.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/tests/client/fake_manager.hpp>
#include <steward/tests/client/faulty_network.hpp>
#include <steward/tests/client/seed.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using client::Effect;

class FaultsTest : public testing::Test {
 protected:
  FaultsTest()
      : local(server::LocalNetwork::make()),
        manager(nullptr, local->listen(), server::builtin_classes(), {.note = [](auto text) {
          ADD_FAILURE() << "the server notes: " << text;
        }}),
        server([this] { manager.run(); }),
        network(std::make_unique<FaultyNetwork>(local)),
        session(client::connect_over(network->link()->transport(), {}, {"local:"}, {})),
        breaker([this] { break_now_and_then(); }) {}

  ~FaultsTest() override {
    stop_breaking();
    session->end(5s);
    session.reset();
    manager.stop();
    server.join();
  }

  // A while of silent losses, then the break: at every point of what is under way.
  void break_now_and_then() {
    std::mt19937_64 random(first);
    std::unique_lock lock(mutex);
    const auto pause = [&] {
      return std::chrono::microseconds(random() % 2000);
    };
    while (!stopping) {
      stopped.wait_for(lock, pause(), [this] { return stopping; });
      network->link()->take_early(random() % 4 == 0);
      network->lose(random() % 2 == 0, random() % 2 == 0);
      stopped.wait_for(lock, pause() / 4, [this] { return stopping; });
      network->replace();
      ++breaks;
    }
  }
  void stop_breaking() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    stopped.notify_all();
    if (breaker.joinable()) breaker.join();
  }

  std::optional<std::string> call(core::ObjectId object, std::string_view method,
                                  const std::vector<std::string>& args, Effect effect,
                                  core::Deadline deadline = std::nullopt, bool confirm = false) {
    client::CallOptions options;
    options.effect = effect;
    options.deadline = deadline;
    options.confirm = confirm;
    return session->call(object, method, arguments(args), options);
  }
  core::ReferencePtr create(std::string_view type) {
    const std::string result = call(core::kManagerObject, "create",
                                    {encoded(type), "\xc0", arguments({})}, Effect::change)
                                   .value();
    client::ResultScope scope(*session, result);
    core::ReferencePtr reference = core::current_handle_codec().incoming(
        core::decode_token(core::Reader(result).extension().payload));
    scope.done();
    return reference;
  }
  std::vector<std::int64_t> contents(core::ObjectId list) {
    return core::unpack<std::vector<std::int64_t>>(call(list, "copy", {}, Effect::read).value());
  }

  template <class F>
  static void in_threads(int count, F&& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
  }

  const std::uint64_t first = seed();
  std::mutex mutex;
  std::condition_variable stopped;
  bool stopping = false;
  std::atomic<int> breaks = 0;

  std::shared_ptr<server::LocalNetwork> local;
  server::Server manager;
  std::thread server;
  std::unique_ptr<FaultyNetwork> network;
  client::SessionPtr session;
  std::thread breaker;
};

TEST_F(FaultsTest, EveryAppendIsDoneOnce) {
  const core::ReferencePtr list = create("list");
  const core::ObjectId id = list->token().object;
  constexpr int kThreads = 6;
  constexpr int kAppends = 300;
  in_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kAppends; ++i) {
      const std::int64_t value = thread * 1'000'000 + i;
      if (i % 3 == 0) {
        session->post(id, "append", arguments({encoded(value)}));
      } else {
        call(id, "append", {encoded(value)}, Effect::change);
      }
      if (i % 10 == 0) {
        ASSERT_FALSE(contents(id).empty());
      }
    }
  });
  stop_breaking();
  const std::vector<std::int64_t> all = contents(id);
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kThreads * kAppends));
  std::map<std::int64_t, std::int64_t> next;
  for (const std::int64_t value : all) {
    // Each thread's own stand in its order, none is missing, none comes twice.
    EXPECT_EQ(value % 1'000'000, next[value / 1'000'000]++);
  }
  EXPECT_GT(breaks, 5);
}

TEST_F(FaultsTest, NoItemIsLostOrTakenTwice) {
  const core::ReferencePtr queue = create("queue");
  const core::ObjectId id = queue->token().object;
  constexpr int kItems = 400;
  constexpr int kProducers = 2;
  constexpr int kConsumers = 4;
  std::atomic<int> taken = 0;
  std::mutex seen_mutex;
  std::multiset<std::int64_t> seen;
  in_threads(kProducers + kConsumers, [&](int thread) {
    if (thread < kProducers) {
      for (int i = 0; i < kItems; ++i) {
        call(id, "put", {encoded(thread * 1'000'000 + i)}, Effect::change);
      }
      return;
    }
    std::mt19937_64 random(first + static_cast<std::uint64_t>(thread));
    while (taken < kItems * kProducers) {
      const auto patience = std::chrono::microseconds(random() % 3000);
      const auto item = call(id, "get", {}, Effect::take, core::deadline_after(patience), true);
      if (!item) continue;
      ++taken;
      const std::lock_guard lock(seen_mutex);
      seen.insert(integer_of(*item));
    }
  });
  stop_breaking();
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kItems * kProducers));
  for (int producer = 0; producer < kProducers; ++producer) {
    for (int i = 0; i < kItems; ++i) EXPECT_EQ(seen.count(producer * 1'000'000 + i), 1U);
  }
}

TEST_F(FaultsTest, ALockHasOneHolderAtATime) {
  const core::ReferencePtr lock = create("lock");
  const core::ObjectId id = lock->token().object;
  std::atomic<int> inside = 0;
  in_threads(4, [&](int) {
    for (int i = 0; i < 60; ++i) {
      while (!call(id, "lock", {}, Effect::take, core::deadline_after(3ms), true)) {
      }
      EXPECT_EQ(++inside, 1);
      --inside;
      session->post(id, "unlock", arguments({}));
    }
  });
  stop_breaking();
  EXPECT_EQ(call(id, "locked", {}, Effect::read), std::string("\xc2"));
}

TEST_F(FaultsTest, NoReferenceLeaks) {
  const core::ReferencePtr list = create("list");
  const core::ObjectId id = list->token().object;
  const core::ReferencePtr kept = create("dict");
  in_threads(4, [&](int) {
    for (int i = 0; i < 100; ++i) {
      core::ReferencePtr mine = create("list");
      call(mine->token().object, "append", {encoded(i)}, Effect::change);
      {
        const core::HandleCodecScope scope(session->codec());
        std::string handle;
        core::Writer writer(handle);
        core::encode_token(writer, core::current_handle_codec().outgoing(*mine));
        call(id, "append", {handle}, Effect::change);
      }
      mine.reset();
      const std::string result = call(id, "pop", {}, Effect::change).value();
      client::ResultScope scope(*session, result);
      mine = core::current_handle_codec().incoming(
          core::decode_token(core::Reader(result).extension().payload));
      scope.done();
      ASSERT_EQ(integer_of(call(mine->token().object, "size", {}, Effect::read).value()), 1);
    }
  });
  stop_breaking();
  // A drop that was under way when the last connection broke may come behind the first question.
  const auto objects = [&] {
    return integer_of(call(core::kManagerObject, "number_of_objects", {}, Effect::read).value());
  };
  const core::Time end = std::chrono::steady_clock::now() + 30s;
  while (objects() > 2 && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_EQ(objects(), 2);
}

}  // namespace
}  // namespace steward::detail::test
