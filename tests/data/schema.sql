-- The schema document's SQL, without its partition example; the catalog is held against it.

CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email VARCHAR(255) UNIQUE NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    full_name VARCHAR(255),
    tier VARCHAR(50) NOT NULL DEFAULT 'starter',  -- starter, professional, agency
    status VARCHAR(50) NOT NULL DEFAULT 'trial',   -- trial, active, suspended, canceled
    stripe_customer_id VARCHAR(255),
    stripe_subscription_id VARCHAR(255),
    is_email_verified BOOLEAN DEFAULT FALSE,
    trial_ends_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_users_email ON users(email);
CREATE INDEX idx_users_status ON users(status);
CREATE INDEX idx_users_tier ON users(tier);

CREATE TABLE products (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    clickbank_id VARCHAR(100) UNIQUE NOT NULL,
    title VARCHAR(500) NOT NULL,
    vendor VARCHAR(255) NOT NULL,
    category VARCHAR(255),
    description TEXT,
    commission_rate DECIMAL(5, 2),        -- Percentage (e.g., 75.00)
    commission_amount DECIMAL(10, 2),     -- Dollar amount per sale
    initial_sale_amount DECIMAL(10, 2),   -- Initial sale price
    gravity DECIMAL(10, 2),                -- ClickBank gravity score
    refund_rate DECIMAL(5, 2),             -- Refund percentage
    rebill BOOLEAN DEFAULT FALSE,          -- Has recurring billing
    popularity_rank INTEGER,
    data_snapshot JSONB,                   -- Full API response
    last_updated TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_products_clickbank_id ON products(clickbank_id);
CREATE INDEX idx_products_category ON products(category);
CREATE INDEX idx_products_gravity ON products(gravity DESC);
CREATE INDEX idx_products_commission ON products(commission_amount DESC);

CREATE TABLE campaigns (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    product_id UUID REFERENCES products(id) ON DELETE SET NULL,
    name VARCHAR(255) NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'draft',  -- draft, active, paused, completed
    funnel_type VARCHAR(100),                     -- review, comparison, bonus, vsl, webinar
    affiliate_link TEXT,
    tracking_id VARCHAR(50) UNIQUE,
    settings JSONB,                               -- Campaign configuration
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_campaigns_user_id ON campaigns(user_id);
CREATE INDEX idx_campaigns_product_id ON campaigns(product_id);
CREATE INDEX idx_campaigns_status ON campaigns(status);
CREATE INDEX idx_campaigns_tracking_id ON campaigns(tracking_id);

CREATE TABLE content (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    campaign_id UUID REFERENCES campaigns(id) ON DELETE CASCADE,
    type VARCHAR(50) NOT NULL,                    -- blog_post, email, social_post, video_script, ad_copy
    title VARCHAR(500),
    body TEXT NOT NULL,
    metadata JSONB,                               -- Additional content data
    status VARCHAR(50) NOT NULL DEFAULT 'draft',  -- draft, published, scheduled, archived
    published_at TIMESTAMPTZ,
    scheduled_for TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_content_user_id ON content(user_id);
CREATE INDEX idx_content_campaign_id ON content(campaign_id);
CREATE INDEX idx_content_type ON content(type);
CREATE INDEX idx_content_status ON content(status);
CREATE INDEX idx_content_scheduled ON content(scheduled_for) WHERE scheduled_for IS NOT NULL;

CREATE TABLE workflows (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    trigger_type VARCHAR(100) NOT NULL,           -- manual, scheduled, event
    trigger_config JSONB,                         -- Trigger parameters
    actions JSONB NOT NULL,                       -- List of actions to execute
    conditions JSONB,                             -- Conditions to check
    status VARCHAR(50) NOT NULL DEFAULT 'draft',  -- draft, active, paused
    last_run_at TIMESTAMPTZ,
    next_run_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_workflows_user_id ON workflows(user_id);
CREATE INDEX idx_workflows_status ON workflows(status);
CREATE INDEX idx_workflows_next_run ON workflows(next_run_at) WHERE next_run_at IS NOT NULL;

CREATE TABLE analytics_events (
    id BIGSERIAL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    campaign_id UUID REFERENCES campaigns(id) ON DELETE CASCADE,
    event_type VARCHAR(50) NOT NULL,              -- click, conversion, refund, rebill
    source VARCHAR(255),                          -- Traffic source
    metadata JSONB,                               -- Event details
    revenue DECIMAL(10, 2),                       -- Revenue amount (for conversions)
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_analytics_user_id ON analytics_events(user_id);
CREATE INDEX idx_analytics_campaign_id ON analytics_events(campaign_id);
CREATE INDEX idx_analytics_event_type ON analytics_events(event_type);
CREATE INDEX idx_analytics_created_at ON analytics_events(created_at);
CREATE INDEX idx_analytics_composite ON analytics_events(user_id, campaign_id, event_type, created_at);

CREATE TABLE bonuses (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id UUID NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    file_url VARCHAR(500),                        -- S3 URL or external link
    delivery_method VARCHAR(50) DEFAULT 'email',  -- email, download
    is_active BOOLEAN DEFAULT TRUE,
    metadata JSONB,
    delivered_count INTEGER DEFAULT 0,
    last_delivered_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_bonuses_campaign_id ON bonuses(campaign_id);
CREATE INDEX idx_bonuses_is_active ON bonuses(is_active);

CREATE TABLE teams (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    settings JSONB,
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_teams_owner_id ON teams(owner_id);
CREATE INDEX idx_teams_is_active ON teams(is_active);

CREATE TABLE team_members (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id UUID NOT NULL REFERENCES teams(id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    role VARCHAR(50) NOT NULL DEFAULT 'member',  -- owner, admin, member, viewer
    permissions JSONB,                           -- Custom permissions
    is_active BOOLEAN DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    UNIQUE(team_id, user_id)
);

CREATE INDEX idx_team_members_team_id ON team_members(team_id);
CREATE INDEX idx_team_members_user_id ON team_members(user_id);

CREATE INDEX idx_products_search ON products
    USING gin(to_tsvector('english', title || ' ' || description));
