// A lock that survives its holder: kill -9 in the middle of a transfer, and the next one who waits
// gets the lock, is told that its previous owner died, and puts right what was left half done.
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string>

#include <steward/steward.hpp>

using namespace steward;
using Accounts = Dict<std::string, int>;

constexpr int kMoney = 100;

// Dies between taking the money and giving it.
void transfer(Accounts accounts, Lock lock, Queue<int> half_done) {
  std::scoped_lock hold(lock);
  accounts["ada"] -= 40;
  half_done.put(1);
  half_done.join();  // for ever: nobody calls task_done
  accounts["bob"] += 40;
}

// [next owner]
void audit(Accounts accounts, Lock lock) {
  std::scoped_lock hold(lock);
  const bool died = lock.previous_owner_died();
  std::cout << "The next one has the lock; the previous owner died: " << (died ? "yes" : "no")
            << '\n';
  if (died) accounts.set("bob", kMoney - accounts.at("ada"));
}
// [end]

int main() {
  Manager manager;
  auto accounts = manager.dict<std::string, int>({{"ada", kMoney}, {"bob", 0}});
  auto lock = manager.lock();
  auto half_done = manager.queue<int>();

  Process holder(transfer, accounts, lock, half_done);
  Process waiter(audit, accounts, lock);
  holder.start();
  half_done.get();
  waiter.start();
  std::cout << "Half done: " << accounts << "; kill -9 " << holder.name() << std::endl;
  holder.kill();
  waiter.join();
  std::cout << "Put right: " << accounts << '\n';
  return accounts.at("ada") + accounts.at("bob") == kMoney ? EXIT_SUCCESS : EXIT_FAILURE;
}
