// The documentation's client for sessions, word for word, and somebody who uses it.
//
// Usage: node sessions.mjs '{"url", "agentId", "userId", "secret"}'
// It runs where fetch takes paths alone, as on a page of the server's; with a `secret` each request has it.
// startHeartbeat() and stopHeartbeat(), which the documentation leaves out, beat when they are told to.
// Each line on standard input is a command; each line on standard output what came of it:
//   {"send": <text>}    -> {"sent": <what sendMessage returned>, "sessionId"}
//   {"heartbeat": true} -> {"status", "body"}
//   {"ensure": true}    -> {"sessionId"}
// The end of standard input ends the process.

import { createInterface } from "node:readline";

const { url, agentId, userId, secret } = JSON.parse(process.argv[2]);
const authorization = secret ? { Authorization: `Bearer ${secret}` } : {};
const fetchAnywhere = globalThis.fetch;
globalThis.fetch = (path, options = {}) =>
  fetchAnywhere(url + path, { ...options, headers: { ...options.headers, ...authorization } });

class ResilientSessionClient {
  constructor(agentId, userId) {
    this.agentId = agentId;
    this.userId = userId;
    this.sessionId = null;
    this.sessionConfig = {
      timeoutMinutes: 30,
      autoRenew: true,
      maxDurationMinutes: 180
    };
  }
  
  async ensureSession() {
    if (!this.sessionId) {
      await this.createSession();
      return;
    }
    
    // Check if session is still valid
    try {
      const response = await fetch(`/api/messaging/sessions/${this.sessionId}`);
      
      if (!response.ok) {
        if (response.status === 404 || response.status === 410) {
          // Session not found or expired
          await this.createSession();
        }
      }
    } catch (error) {
      console.error('Session check failed:', error);
      await this.createSession();
    }
  }
  
  async createSession() {
    const response = await fetch('/api/messaging/sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        agentId: this.agentId,
        userId: this.userId,
        timeoutConfig: this.sessionConfig
      })
    });
    
    const data = await response.json();
    this.sessionId = data.sessionId;
    
    // Start heartbeat for new session
    this.startHeartbeat();
    
    return this.sessionId;
  }
  
  async sendMessage(content) {
    await this.ensureSession();
    
    const response = await fetch(
      `/api/messaging/sessions/${this.sessionId}/messages`,
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ content })
      }
    );
    
    if (!response.ok && (response.status === 404 || response.status === 410)) {
      // Session was lost, recreate and retry
      await this.createSession();
      return this.sendMessage(content);
    }
    
    return response.json();
  }
}

class Client extends ResilientSessionClient {
  startHeartbeat() {
    this.beats = this.sessionId;
  }

  async beat() {
    const response = await fetch(`/api/messaging/sessions/${this.beats}/heartbeat`, { method: "POST" });
    return { status: response.status, body: await response.json() };
  }
}

const client = new Client(agentId, userId);

async function obey(command) {
  if ("send" in command) return { sent: await client.sendMessage(command.send), sessionId: client.sessionId };
  if (command.heartbeat) return client.beat();
  await client.ensureSession();
  return { sessionId: client.sessionId };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line)))}\n`);
}
