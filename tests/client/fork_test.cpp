// A process that forks in the middle of its work: both sides go on, each with a session of its own.
#include <gtest/gtest.h>

#include <filesystem>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <steward/client/reference.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/writer.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/forked.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

constexpr core::ObjectId kList{3};

class ForkTest : public testing::Test {
 protected:
  ForkTest() : child_house([](int out) {
    // First of all, while this process has no threads: the manager must not be a child of what it
    // serves only, but a process that does not fork.
    FakeHouse house;
    const std::string address = house.address() + "\n";
    if (::write(out, address.data(), address.size()) < 0) return 1;
    for (;;) ::pause();
  }) {}

  static std::int64_t call(const core::ReferencePtr& reference, const char* method,
                           std::int64_t number) {
    const client::SessionPtr session = client::session_of(reference);
    return integer_of(
        session->call(reference->token().object, method, arguments({encoded(number)}), {}).value());
  }

  void start() {
    session = client::connect(child_house.line());
    reference = session->claim(list_token(session->incarnation(), 3));
  }

  ~ForkTest() override {
    reference.reset();
    client::end_all_sessions(5s);
    if (session) {
      const std::string& path = session->addresses().front();
      const auto at = path.find("/manager.sock");
      std::filesystem::remove_all(path.substr(6, at - 6));
    }
  }

  Forked child_house;
  client::SessionPtr session;
  core::ReferencePtr reference;
};

TEST_F(ForkTest, TheChildsCallsGoToASessionOfItsOwn) {
  start();
  EXPECT_EQ(call(reference, "add", 1), 1);
  Forked child([&](int) {
    if (client::session_of(reference) == session) return 1;
    if (call(reference, "add", 1) != 2) return 2;
    if (call(reference, "add", 1) != 3) return 3;
    // The inherited session stands for the child's own.
    if (integer_of(session->call(kList, "add", arguments({encoded(1)}), {}).value()) != 4) return 4;
    client::end_all_sessions(5s);
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(call(reference, "add", 1), 5);
}

TEST_F(ForkTest, TheParentNoticesNothingWhateverTheChildDestroys) {
  start();
  core::ReferencePtr second =
      session->claim(list_token(session->incarnation(), 4));
  Forked child([&](int) {
    reference.reset();
    second.reset();
    session->end(1s);
    session.reset();
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(call(reference, "add", 1), 1);
  EXPECT_EQ(call(second, "add", 1), 2);
}

TEST_F(ForkTest, GrandchildrenWorkToo) {
  start();
  Forked child([&](int) {
    if (call(reference, "add", 1) != 1) return 1;
    Forked grandchild([&](int) {
      if (call(reference, "add", 1) != 2) return 1;
      client::end_all_sessions(5s);
      return 0;
    });
    if (grandchild.join() != 0) return 2;
    if (call(reference, "add", 1) != 3) return 3;
    client::end_all_sessions(5s);
    return 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST_F(ForkTest, AForkInTheMiddleOfManyCallsHarmsNeitherSide) {
  start();
  constexpr int kForks = 20;
  std::atomic<bool> stop = false;
  std::atomic<std::int64_t> added = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        call(reference, "add", 1);
        ++added;
        const core::ReferencePtr passing = session->claim(reference->token());
      }
    });
  }
  std::vector<std::unique_ptr<Forked>> children;
  for (int i = 0; i < kForks; ++i) {
    children.push_back(std::make_unique<Forked>([&](int) {
      for (int k = 0; k < 10; ++k) call(reference, "add", 1);
      core::ReferencePtr copy = reference;
      reference.reset();
      if (call(copy, "echo", 5) != 5) return 1;
      client::end_all_sessions(5s);
      return 0;
    }));
  }
  for (auto& child : children) {
    EXPECT_EQ(child->join(), 0);
    added += 10;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(call(reference, "add", 0), added);
}

TEST_F(ForkTest, ThreadNumbersAreNotUsedTwice) {
  start();
  const core::ThreadNumber mine = client::Session::thread_number();
  std::atomic<core::ThreadNumber> other = 0;
  std::thread([&] { other = client::Session::thread_number(); }).join();
  EXPECT_GT(other, mine);
  Forked child([&](int) {
    core::ThreadNumber next = 0;
    std::thread([&] { next = client::Session::thread_number(); }).join();
    return client::Session::thread_number() == mine && next > other ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace steward::detail::test
