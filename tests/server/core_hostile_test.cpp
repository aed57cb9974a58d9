// What a client may do to the core's memory and to others' patience: bounded, whatever it says.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

using core::ErrorCode;

class HostileCore : public testing::Test {
 protected:
  void start(core::Limits limits = {}) {
    driver = std::make_unique<CoreDriver>(registry, limits);
    client = driver->open();
  }

  // One message with many calls of the same method.
  std::vector<core::Seq> send_many(std::size_t count, core::ObjectId object,
                                   std::string_view method, const std::string& args) {
    std::vector<std::string> calls;
    std::vector<core::Seq> seqs;
    for (std::size_t i = 0; i < count; ++i) {
      seqs.push_back(client.next_seq++);
      core::append_call(calls.emplace_back(),
                        {seqs.back(), 1, std::nullopt, object, method, args, false});
    }
    driver->request(client, core::encode_calls(1, {calls.begin(), calls.end()}));
    return seqs;
  }

  const server::Registry registry = server::builtin_classes();
  std::unique_ptr<CoreDriver> driver;
  CoreDriver::Client client;
};

TEST_F(HostileCore, PostsThatNobodyCompletesFillTheReplyStoreToo) {
  core::Limits limits;
  limits.reply_store_bytes = 100'000;
  start(limits);
  const auto list = driver->create(client, "list", arguments());
  core::Seq refused = 0;
  for (int i = 0; i < 2000 && refused == 0; ++i) {
    const core::Seq seq = driver->send(client, list, "append", arguments(i), {}, true);
    if (driver->answered(client, seq)) refused = seq;
  }
  ASSERT_GT(refused, 100U);
  EXPECT_EQ(driver->answer(client, refused).code, ErrorCode::overloaded);
  client.first_incomplete = client.next_seq;
  EXPECT_EQ(driver->call(client, list, "append", arguments(1)).code, ErrorCode::ok);
}

TEST_F(HostileCore, AClientsOwnWaitingCallsAreBoundedAndNobodyElses) {
  core::Limits limits;
  limits.calls_in_flight = 3;
  start(limits);
  const auto queue = driver->create(client, "queue", arguments(), "q");
  const auto waiting = send_many(4, queue, "get", arguments());
  EXPECT_EQ(driver->core.number_parked(), 3U);
  const Answer answer = driver->answer(client, waiting.back());
  EXPECT_EQ(answer.code, ErrorCode::overloaded);
  EXPECT_EQ(answer.text, "queue#1.get: 3 calls of this client wait already, the limit");
  CoreDriver::Client other = driver->open();
  driver->create(other, "queue", arguments(), "q");
  driver->send(other, queue, "get", arguments());
  EXPECT_EQ(driver->core.number_parked(), 4U);
  // One ends, one may wait.
  driver->cancel(client, waiting.front());
  driver->send(client, queue, "get", arguments());
  EXPECT_EQ(driver->core.number_parked(), 4U);
}

TEST_F(HostileCore, ASmallMessageCannotAskForAnyAmount) {
  core::Limits limits;
  limits.unsent_bytes = 10'000;
  start(limits);
  const auto list = driver->create(client, "list", arguments());
  driver->call(client, list, "append", arguments(std::string(4'000, 'x')));
  // 12,000 bytes are past the bound, which is looked at before each call.
  const auto seqs = send_many(5, list, "copy", arguments());
  for (std::size_t i = 0; i < seqs.size(); ++i) {
    const Answer answer = driver->answer(client, seqs[i]);
    EXPECT_EQ(answer.code, i < 3 ? ErrorCode::ok : ErrorCode::overloaded) << answer.text;
  }
}

TEST_F(HostileCore, ACallBehindTooManyResultsIsNotDoneAndCanBeTriedAgain) {
  core::Limits limits;
  limits.unsent_bytes = 10'000;
  start(limits);
  const auto list = driver->create(client, "list", arguments());
  driver->call(client, list, "append", arguments(std::string(4'000, 'x')));
  const core::Seq pop = client.next_seq++;
  const std::string none = arguments();
  std::vector<std::string> calls;
  for (int i = 0; i < 3; ++i) {
    core::append_call(calls.emplace_back(),
                      {client.next_seq++, 1, std::nullopt, list, "copy", none, false});
  }
  core::append_call(calls.emplace_back(), {pop, 1, std::nullopt, list, "pop", none, false});
  driver->request(client, core::encode_calls(1, {calls.begin(), calls.end()}));
  EXPECT_EQ(driver->answer(client, pop).code, ErrorCode::overloaded);
  driver->request(client, driver->frame(client, pop, list, "pop", arguments()));
  EXPECT_EQ(driver->answer(client, pop).result.string().size(), 4'000U);
}

TEST_F(HostileCore, AMessageOfTooManyCallsIsMalformed) {
  start();
  constexpr std::size_t kMost = 65'536;
  send_many(kMost, core::ObjectId{99}, "size", arguments());
  EXPECT_TRUE(driver->violations.empty());
  send_many(kMost + 1, core::ObjectId{99}, "size", arguments());
  EXPECT_EQ(driver->violations.size(), 1U);
}

TEST_F(HostileCore, AResumeThatListsTooMuchIsNoWork) {
  start();
  const auto queue = driver->create(client, "queue", arguments());
  const auto waiting = send_many(1'000, queue, "get", arguments());
  std::vector<core::Seq> listed;
  for (core::Seq seq = 65'536; seq > 0; --seq) listed.push_back(seq);
  driver->apply(server::input::SessionResumed{client.session, listed, 1});
  EXPECT_EQ(driver->core.number_parked(), waiting.size());
  driver->apply(server::input::SessionResumed{client.session, {waiting[7]}, 1});
  EXPECT_EQ(driver->core.number_parked(), 1U);
}

TEST_F(HostileCore, WhatFirstIncompleteHasPassedStaysPassed) {
  start();
  const auto list = driver->create(client, "list", arguments());
  client.first_incomplete = 100;
  client.next_seq = 100;
  driver->call(client, list, "append", arguments(1));
  // Backwards: nothing comes back, and an old number is done by the client's own word.
  client.first_incomplete = 2;
  driver->request(client, driver->frame(client, 50, list, "append", arguments(2)));
  EXPECT_FALSE(driver->answered(client, 50));
  EXPECT_EQ(driver->call(client, list, "copy", arguments()).result.json(), "[1]");
  // To the end of all numbers: only the client itself has nothing more to say.
  client.first_incomplete = UINT64_MAX;
  driver->request(client, driver->frame(client, 200, list, "append", arguments(3)));
  EXPECT_FALSE(driver->answered(client, 200));
  driver->request(client, driver->frame(client, UINT64_MAX, list, "append", arguments(4)));
  EXPECT_TRUE(driver->answered(client, UINT64_MAX));
  EXPECT_EQ(driver->call(client, list, "copy", arguments()).text, "no answer");
  CoreDriver::Client other = driver->open();
  EXPECT_EQ(driver->call(other, list, "copy", arguments()).result.json(), "[1, 4]");
  EXPECT_TRUE(driver->violations.empty());
}

TEST_F(HostileCore, ANumberThatComesAgainWithAnotherCallGetsTheFirstOnesReply) {
  start();
  const auto list = driver->create(client, "list", arguments());
  const core::Seq seq = driver->send(client, list, "append", arguments(1));
  EXPECT_EQ(driver->answer(client, seq).result, Value());
  driver->request(client, driver->frame(client, seq, list, "pop", arguments()));
  EXPECT_EQ(driver->answer(client, seq).result, Value());
  EXPECT_EQ(driver->call(client, list, "size", arguments()).result.integer(), 1);
}

TEST_F(HostileCore, AcksAndCancelsOfUnknownCallsAreNothing) {
  start();
  const auto queue = driver->create(client, "queue", arguments());
  driver->call(client, queue, "put", arguments(7));
  const core::Seq get = driver->send(client, queue, "get", arguments());
  const std::string before = driver->core.save();
  driver->request(client, core::encode_seqs(core::Envelope::ack, {0, 999, UINT64_MAX}));
  driver->request(client, core::encode_seqs(core::Envelope::cancel, {0, 999, UINT64_MAX}));
  EXPECT_EQ(driver->core.save(), before);
  EXPECT_TRUE(driver->violations.empty());
  driver->request(client, core::encode_seqs(core::Envelope::cancel, {get, get}));
  EXPECT_EQ(driver->call(client, queue, "size", arguments()).result.integer(), 1);
}

}  // namespace
}  // namespace steward::detail::test
